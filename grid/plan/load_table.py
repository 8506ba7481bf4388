"""`[load]` of a sweep file: requests to the engines that answer over HTTP."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from grid.cells.load import MOST_TOKENS, Lengths, ServerLoad, Slo, parse_lengths
from grid.cells.texts import read_text
from grid.errors import InputError
from grid.units import parse_seconds

CONCURRENCY = (1, 4, 16)
"""Clients at once where neither these nor rates are named."""

_Clients = Annotated[int, msgspec.Meta(ge=1, le=4000)]
_Rate = Annotated[float, msgspec.Meta(gt=0, le=5000)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
_Tokens = Annotated[int, msgspec.Meta(ge=0, le=MOST_TOKENS)]
_Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
_LONGEST_S = 86400.0


class SloTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of a request's time to first token, time for each further token and whole time, as
    `"500ms"`; `attainment` is the share of requests that must keep all of them."""

    ttft: str | float | None = None
    tpot: str | float | None = None
    e2e: str | float | None = None
    attainment: _Share = 0.9


class LoadTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Loads: each of `concurrency` (clients at once) and of `rates` (requests a second, at times
    by `arrivals`), and with `find_rate` the largest rate that meets the `slo`.

    `prompt` and `output` are lengths in tokens: 512, "128-1024" or "512~0.5"; `prompts` is a JSONL
    file in place of the former. A load ends after `duration`, or after `requests`.
    """

    concurrency: tuple[_Clients, ...] | None = None
    rates: tuple[_Rate, ...] = ()
    find_rate: bool = False
    arrivals: Literal["poisson", "constant"] = "poisson"
    prompt: str | int = 512
    output: str | int = 128
    shared_prefix: _Tokens = 0
    prompts: str = ""
    chat: bool = False
    requests: _Count = 0
    duration: str | float = 30.0
    warmup: _Count = 0
    timeout: str | float = 120.0
    slo: SloTable = SloTable()
    seed: _Count = 1

    @property
    def clients(self) -> tuple[int, ...]:
        if self.concurrency is None:
            return () if self.rates or self.find_rate else CONCURRENCY
        return self.concurrency


def check_load(table: LoadTable) -> None:
    """Raises InputError, with the key's place, where a value is none."""
    _lengths("prompt", table.prompt)
    _lengths("output", table.output)
    for name in ("duration", "timeout"):
        _seconds(f"load.{name}", getattr(table, name))
    slo = _slo(table)
    for name, values in (("concurrency", table.clients), ("rates", table.rates)):
        if len(set(values)) < len(values):
            raise InputError(f"load.{name}: a value is there twice")
    if not (table.clients or table.rates or table.find_rate):
        raise InputError("load: no concurrency, no rates and no find_rate; there is nothing to run")
    if table.find_rate and not slo.limits:
        raise InputError('load.find_rate: takes load.slo, such as slo = { ttft = "500ms" }')


def load_workloads(table: LoadTable, base: Path) -> list[ServerLoad]:
    """The loads of a table that was checked, the smaller first. Raises InputError where the file of
    prompts cannot be read."""
    prompts, sha256 = "", ""
    if table.prompts:
        try:
            text = read_text(table.prompts, base)
        except InputError as error:
            raise InputError(f"load.prompts: {error}") from None
        prompts, sha256 = text.source, text.sha256
    common = ServerLoad(
        prompt=_lengths("prompt", table.prompt),
        output=_lengths("output", table.output),
        shared_prefix=table.shared_prefix,
        prompts=prompts,
        prompts_sha256=sha256,
        chat=table.chat,
        requests=table.requests,
        duration_s=_seconds("load.duration", table.duration),
        warmup=table.warmup,
        timeout_s=_seconds("load.timeout", table.timeout),
        slo=_slo(table),
        seed=table.seed,
    )
    loads = [msgspec.structs.replace(common, concurrency=n) for n in sorted(table.clients)]
    at_rates = msgspec.structs.replace(common, arrivals=table.arrivals)
    loads += [msgspec.structs.replace(at_rates, rate=rate) for rate in sorted(table.rates)]
    if table.find_rate:
        loads.append(msgspec.structs.replace(at_rates, search=True, requests=0))
    return loads


def _lengths(name: str, written: str | int) -> Lengths:
    try:
        return parse_lengths(written)
    except InputError as error:
        raise InputError(f"load.{name}: {error}") from None


def _slo(table: LoadTable) -> Slo:
    written = {name: getattr(table.slo, name) for name in ("ttft", "tpot", "e2e")}
    limits = {
        f"{name}_s": _seconds(f"load.slo.{name}", text)
        for name, text in written.items()
        if text is not None
    }
    return Slo(**limits, attainment=table.slo.attainment)


def _seconds(place: str, written: str | float) -> float:
    try:
        seconds = parse_seconds(written)
    except InputError as error:
        raise InputError(f"{place}: {error}") from None
    if not (math.isfinite(seconds) and 0 < seconds <= _LONGEST_S):
        raise InputError(f"{place}: must be more than zero and at most a day, got {written!r}")
    return seconds
