"""Load: many requests to an endpoint, as a workload; lengths of prompts and answers in tokens."""

from __future__ import annotations

import math
import re
from typing import Literal

import msgspec

from grid.errors import InputError

Arrivals = Literal["closed", "poisson", "constant"]

MOST_TOKENS = 2**20
"""Longest prompt or answer, in tokens."""

CUT = 3.0
"""Log-normal lengths are cut at so many standard deviations of the log."""

_FIXED = re.compile(r"(\d+)")
_UNIFORM = re.compile(r"(\d+)-(\d+)")
_LOGNORMAL = re.compile(r"(\d+)~(\d+(?:\.\d+)?)")


class Lengths(msgspec.Struct, frozen=True):
    """Tokens of prompts or answers: always `low`, evenly from `low` to `high`, or log-normal with
    the median `median` and the standard deviation `sigma` of the log, within `low` and `high`."""

    low: int
    high: int
    median: int = 0
    sigma: float = 0.0

    @property
    def text(self) -> str:
        """As it is written: `512`, `128-1024` (uniform) or `512~0.5` (log-normal)."""
        if self.median:
            return f"{self.median}~{self.sigma:g}"
        return f"{self.low}" if self.low == self.high else f"{self.low}-{self.high}"


def parse_lengths(written: str | int) -> Lengths:
    """`512`, `128-1024` (uniform) or `512~0.5` (log-normal: median and sigma of the log).

    Raises InputError where it is none of these, or tokens are not from 1 to 1,048,576.
    """
    text = str(written).strip()
    lengths = None
    if match := _FIXED.fullmatch(text):
        lengths = Lengths(int(match[1]), int(match[1]))
    elif match := _UNIFORM.fullmatch(text):
        lengths = Lengths(int(match[1]), int(match[2]))
    elif match := _LOGNORMAL.fullmatch(text):
        median, sigma = int(match[1]), float(match[2])
        spread = math.exp(min(CUT * sigma, 20.0))
        lengths = Lengths(max(1, round(median / spread)), round(median * spread), median, sigma)
    if lengths is None or (lengths.median and not 0 < lengths.sigma <= 3):
        raise InputError(
            f"{text!r} are no lengths in tokens; write 512, 128-1024 (evenly between) or 512~0.5 "
            "(log-normal: median ~ sigma of the log, up to 3)"
        )
    if not 1 <= lengths.low <= lengths.high <= MOST_TOKENS:
        raise InputError(f"{text!r}: tokens go from 1 to {MOST_TOKENS}, the smaller first")
    return lengths


class Slo(msgspec.Struct, frozen=True):
    """A service level objective: limits in seconds (0: none) that a share `attainment` of all
    requests must keep; a request that failed keeps none."""

    ttft_s: float = 0.0
    tpot_s: float = 0.0
    e2e_s: float = 0.0
    attainment: float = 0.9

    @property
    def limits(self) -> dict[str, float]:
        """The limits by metric, in seconds."""
        limits = {"ttft_s": self.ttft_s, "tpot_s": self.tpot_s, "e2e_s": self.e2e_s}
        return {name: limit for name, limit in limits.items() if limit > 0}


class ServerLoad(msgspec.Struct, frozen=True, tag="load", kw_only=True):
    """Requests to an endpoint, many at once.

    `closed`: `concurrency` clients, each of which sends a request when its last one is done.
    `poisson` and `constant`: `rate` requests a second at times that do not depend on answers;
    with `search` the largest such rate that meets the `slo` is looked for. The load ends after
    `requests`, or with 0 after `duration_s` seconds; `warmup` requests before it count for nothing
    (0: as many as run at once). `shared_prefix` tokens begin every prompt. `prompts` names a JSONL
    file with the prompts, of content `prompts_sha256`, in place of `prompt` lengths; `chat` sends
    them through the server's chat template. A request may take `timeout_s` seconds.
    """

    arrivals: Arrivals = "closed"
    concurrency: int = 0
    rate: float = 0.0
    search: bool = False
    prompt: Lengths = Lengths(512, 512)
    output: Lengths = Lengths(128, 128)
    shared_prefix: int = 0
    prompts: str = ""
    prompts_sha256: str = ""
    chat: bool = False
    requests: int = 0
    duration_s: float = 30.0
    warmup: int = 0
    timeout_s: float = 120.0
    slo: Slo = Slo()
    seed: int = 1

    @property
    def size(self) -> int:
        return self.prompt.high + self.shared_prefix + self.output.high

    @property
    def expected_seconds(self) -> float:
        """Seconds of its window or windows, as far as they are known before."""
        by_rate = self.requests / self.rate if self.requests and self.rate else self.duration_s
        return by_rate * (SEARCH_TRIALS / 2 if self.search else 1)

    @property
    def most_seconds(self) -> float:
        """Seconds that the load may take, with requests that are still answered at its end."""
        trials = SEARCH_TRIALS if self.search else 1
        return 4 * self.expected_seconds + 2 * trials * self.timeout_s

    @property
    def label(self) -> str:
        if self.arrivals == "closed":
            how = f"c{self.concurrency}"
        else:
            how = "largest rate" if self.search else f"{self.rate:g}/s"
            how += " constant" if self.arrivals == "constant" else ""
        prompts = "data" if self.prompts_sha256 else self.prompt.text
        return f"load {how} {prompts}+{self.output.text}"


SEARCH_TRIALS = 16
"""Most rates that a search for the largest one tries."""
