"""Observation: one measured rate of a model on a machine, with what decides it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from grid.errors import InputError
from grid.hardware.chips import Chip

ENGINES = {"llama.cpp": "llamacpp", "llama-bench": "llamacpp", "mlx-lm": "mlx"}
"""Other tools' names for engines, as our backends are called."""
RATES = ("decode_tps", "prefill_tps")
PROMPT = 512
"""Tokens of a prompt where nobody says: those that most published rates are of."""
MIXTURE = 1.2
"""Factor by which all weights are more than the used ones, at least, in a mixture of experts."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What was measured, and what it depends on. None means not known, never zero.

    `group` is the hardware class or the chip; `read_bytes` is what a decoded token reads (weights
    less the rows of the embedding table that it does not need, and the KV cache at its depth);
    `bandwidth_bytes_s` is nominal, or a measured copy rate where `bandwidth_copied`; `cached` says
    that the weights fit the last-level cache, so that memory does not decide; `generation`,
    `unified` and `memory_type` are the chip's; `parameters` are those that a token uses, of
    `total_parameters`; `prompt` is the length in tokens that prefill was measured with; `origin`
    says who measured, empty for the user; rates are in token/s.
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
    generation: str = ""
    unified: bool = False
    memory_type: str = ""
    total_parameters: float | None = None
    prompt: int = PROMPT
    origin: str = ""
    model: str = ""

    @property
    def device(self) -> str:
        """What computes: a machine's CPU and its card are two, under one group."""
        return f"{self.platform} {self.group}"

    @property
    def place(self) -> tuple[str, str]:
        """Platform and group."""
        return self.platform, self.group

    @property
    def mixture(self) -> bool:
        """Whether a token uses a part of the weights only: a mixture of experts."""
        return (self.total_parameters or 0.0) > MIXTURE * self.parameters

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


def chip_facts(chip: Chip | Observation) -> dict[str, Any]:
    """What an observation says of its chip, as fields; of another observation the same."""
    return {
        "bandwidth_bytes_s": chip.bandwidth_bytes_s,
        "flops_half": chip.flops_half,
        "flops_single": chip.flops_single,
        "clock_hz": chip.clock_hz,
        "generation": chip.generation or "",
        "unified": chip.unified,
        "memory_type": chip.memory_type,
    }
