"""Ask: the hardware, the limits and the use that advice is for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from grid.analysis.memory import element_bytes
from grid.analysis.quality_order import TOLERANCE
from grid.errors import InputError, did_you_mean

CONTEXT = 4096
"""Tokens of context that memory is kept for by default."""

PROMPT = 512
"""Tokens of the prompt that the time to first token is for by default."""

INTERACTIVE = 10.0
"""Decode rate in token/s from which text appears faster than most people read."""

MOST_TOKENS = 10**9
"""Of a context or prompt, which no model has."""

MOST_SESSIONS = 1024
"""Sessions at once, from which no single machine is asked about."""

RATES: Mapping[str, float] = {"over 5": 5.0, "interactive": INTERACTIVE, "fast": 30.0}
"""Named decode rates, token/s."""

BUDGETS_GB: tuple[int, ...] = (8, 12, 16, 24, 32, 48, 64, 128)
"""Memory sizes that machines and cards are sold with, in GiB."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A request for advice: a machine, limits and a use.

    The machine is one of three, or none where the store has just one class: `hardware`, a measured
    hardware class or a part of its name that no other has; `chip`, a name of the catalogue; or
    `memory_bytes` with `bandwidth_bytes_s`. `memory_bytes` beside one of the others says how much
    memory that machine has; `reserved_bytes` is what of it is left to everything else (None: what
    its system usually takes). `platform` (cuda, metal, vulkan, rocm, cpu) is that of a bare budget.
    `context` and `prompt` are in tokens; without a `context` it is 4096, or what a model is made
    for where that is less, or the prompt and its first token where these are more. `kv_type` is the
    type of the KV cache. `min_share` is of the 16-bit capability, 0 to 1. `weights` by task class
    go before `use`. `model` names the one to advise on: without tasks models do not compare.
    `imported`: figures that others measured may be picked. `quant` names the only one that may be.
    `tolerance` is what a smaller variant may be expected to lose of the best that fits: of
    capability, else nats of KLD or a share of perplexity.
    `sessions` run at once, each with a cache of `context` tokens and at `min_decode_tps`.
    `more_memory_bytes` asks what so much more memory would change.
    `ram_bytes` is main memory beside a card: what the card has no room for may lie there, read at
    the rate of `cpu`, a processor or memory of the catalogue.
    `serve` names the program that is to run it, such as ollama, where a pick has several.
    Raises InputError for values out of range and fields that contradict each other.
    """

    hardware: str | None = None
    chip: str | None = None
    memory_bytes: float | None = None
    bandwidth_bytes_s: float | None = None
    reserved_bytes: float | None = None
    platform: str | None = None
    context: int | None = None
    kv_type: str = "f16"
    prompt: int = PROMPT
    min_decode_tps: float | None = None
    tolerance: float = TOLERANCE
    max_ttft_s: float | None = None
    min_share: float | None = None
    max_bytes: float | None = None
    use: str = "balanced"
    weights: Mapping[str, float] = field(default_factory=dict)
    imported: bool = False
    model: str | None = None
    quant: str | None = None
    sessions: int = 1
    more_memory_bytes: float | None = None
    ram_bytes: float | None = None
    cpu: str | None = None
    serve: str | None = None

    def __post_init__(self) -> None:
        if self.hardware is not None and self.chip is not None:
            raise InputError(
                "a hardware class and a chip were given; say one of --hardware, --chip"
            )
        for name, title in _POSITIVE.items():
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise InputError(f"{title} is {value:g}; give a number above 0")
        for title, tokens in (("context", self.context), ("prompt", self.prompt)):
            if tokens is not None and tokens > MOST_TOKENS:
                raise InputError(f"the {title} has {tokens:,} tokens; give at most {MOST_TOKENS:,}")
        if self.sessions > MOST_SESSIONS:
            raise InputError(f"sessions are {self.sessions:,}; give at most {MOST_SESSIONS:,}")
        if not 0 <= self.tolerance < 1:
            raise InputError(
                f"tolerance is {self.tolerance:g}; give the capability that a smaller variant may "
                "be expected to lose, from 0 up to 1, such as 0.01"
            )
        if self.reserved_bytes is not None and not self.reserved_bytes >= 0:
            raise InputError("the memory left to others is below 0; give a size such as 2GiB")
        if self.min_share is not None and self.min_share > 1:
            raise InputError(
                f"least share is {self.min_share:g}; give a share of the 16-bit capability, "
                "such as 0.95"
            )
        if self.chip is not None and self.bandwidth_bytes_s is not None:
            raise InputError("a chip has its own bandwidth; leave out --chip or --bandwidth")
        if self.hardware is not None and self.bandwidth_bytes_s is not None:
            raise InputError("a measured class has its speed; leave out --hardware or --bandwidth")
        if self.platform is not None and self.bandwidth_bytes_s is None:
            raise InputError(
                "a platform alone is no machine; say its --memory and --bandwidth, or a --chip"
            )
        if self.bandwidth_bytes_s is not None and self.memory_bytes is None:
            raise InputError("a bandwidth alone is no machine; say its memory too, --memory 24GiB")
        if self.context is not None and self.prompt > PROMPT and self.prompt >= self.context:
            raise InputError(
                f"a prompt of {self.prompt} tokens and an answer do not fit a context of "
                f"{self.context}; raise --context or lower --prompt"
            )
        element_bytes(self.kv_type)
        if not self.weights and self.use not in USES:
            raise InputError(f"unknown use {self.use!r}. {did_you_mean(self.use, USES)}")

    @property
    def least_context(self) -> int | None:
        """Context that a model must be made for: the requested one, or what a long prompt takes."""
        if self.context is None and self.prompt > PROMPT:
            return self.prompt + 1
        return self.context

    def context_for(self, longest: int | None) -> int:
        """The context that memory is kept for, with a model made for `longest` tokens."""
        return self.context or max(self.least_context or 0, min(CONTEXT, longest or CONTEXT))


_POSITIVE = {
    "memory_bytes": "memory",
    "bandwidth_bytes_s": "bandwidth",
    "context": "context",
    "prompt": "prompt",
    "min_decode_tps": "least decode rate",
    "max_ttft_s": "greatest time to first token",
    "min_share": "least share",
    "max_bytes": "greatest size",
    "sessions": "sessions at once",
    "more_memory_bytes": "further memory",
    "ram_bytes": "main memory beside the card",
}

USES: Mapping[str, Mapping[str, float]] = {
    "balanced": {},
    "chat": {"instruction": 2, "language": 2, "commonsense": 1, "recall": 1, "context": 1},
    "code": {"code": 3, "reasoning": 1, "context": 1},
    "math": {"math": 3, "reasoning": 1},
    "reasoning": {"reasoning": 3, "math": 1, "commonsense": 1},
    "recall": {"recall": 3, "context": 1},
}


def uses() -> Mapping[str, Mapping[str, float]]:
    """Weights over task classes by use; `balanced` is empty: all that were measured count alike.

    They are what matters in that use, by our judgement, and shown with every answer.
    """
    return USES
