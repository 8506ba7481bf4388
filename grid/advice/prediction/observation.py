"""Observation: one measured rate of a model on a machine, with what decides it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from grid.errors import InputError

ENGINES = {"llama.cpp": "llamacpp", "llama-bench": "llamacpp", "mlx-lm": "mlx"}
"""Other tools' names for engines, as our backends are called."""
RATES = ("decode_tps", "prefill_tps")


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What was measured, and what it depends on. None means not known, never zero.

    `group` is the hardware class or the chip; `read_bytes` is what a decoded token reads (weights
    less the rows of the embedding table that it does not need, and the KV cache at its depth);
    `bandwidth_bytes_s` is nominal, or a measured copy rate where `bandwidth_copied`; `cached` says
    that the weights fit the last-level cache, so that memory does not decide; rates are in token/s.
    Raises InputError where a figure is not above zero.
    """

    group: str
    platform: str
    engine: str
    quant: str
    weight_bytes: float
    read_bytes: float
    parameters: float
    bandwidth_bytes_s: float | None = None
    flops_half: float | None = None
    flops_single: float | None = None
    clock_hz: float | None = None
    layers: int | None = None
    decode_tps: float | None = None
    prefill_tps: float | None = None
    bandwidth_copied: bool = False
    cached: bool = False
    origin: str = ""
    model: str = ""

    @property
    def device(self) -> str:
        """What computes: a machine's CPU and its card are two, under one group."""
        return f"{self.platform} {self.group}"

    def __post_init__(self) -> None:
        object.__setattr__(self, "engine", ENGINES.get(self.engine, self.engine))
        for name in ("weight_bytes", "read_bytes", "parameters"):
            require_positive(self.group, name, getattr(self, name))
        for name in ("bandwidth_bytes_s", "flops_half", "flops_single", "clock_hz", *RATES):
            value = getattr(self, name)
            if value is not None:
                require_positive(self.group, name, value)


def require_positive(where: str, what: str, value: float) -> None:
    """Raises InputError unless `value` is finite and above zero."""
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"{where}: {what.replace('_', ' ')} {value:g} must be above zero")
