"""The model: what a token's time is made of, and the effects on each part (docs/prediction.md).

Decode: bytes / (efficiency x bandwidth) + layers x cycles / clock + weights x operations / rate.
Prefill: 2 x parameters / (efficiency x 16-bit rate).

The priors are physics and round figures: what streaming reads reach of a bandwidth, how long a
dependent kernel takes to start and drain, how many operations unpack a weight. Rates of chips come
in through observations alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

from grid.advice.prediction import quants
from grid.advice.prediction.observation import Observation
from grid.advice.prediction.result import RateKind

LAYERS, LAYER_PARAMETERS = 32, 6.7e9
"""Layers of a model of that size; where they are not known, layers grow as the cube root."""
CLOCK_HZ = {"metal": 1.4e9, "cuda": 1.9e9, "vulkan": 2.2e9, "rocm": 2.2e9, "cpu": 3e9}
BANDWIDTH_BYTES_S = 5e11
SINGLE_PER_BYTE = {"cpu": 6.0}
SINGLE_PER_BYTE_GPU = 40.0
"""32-bit operations for each byte of bandwidth, of chips whose rate is not known."""
HALF_PER_SINGLE = {"cuda": 2.0}
EAGER = frozenset({"transformers", "autoawq", "autogptq", "bitsandbytes"})
"""Engines that start each kernel from Python, some ten times what a recorded graph takes; how many
kernels there are depends on the method too."""

_UNPACK = {
    quants.SIXTEEN: 0.5, quants.LEGACY: 0.7, quants.GROUPED: 1.0, quants.K_HIGH: 2.0,
    quants.K_LOW: 5.0, quants.I_HIGH: 2.0, quants.I_LOW: 8.0,
}  # fmt: skip
"""Operations for each weight that reading it does not hide: a guess that data soon outweigh."""


@dataclass(frozen=True)
class Effect:
    """One cause and its normal prior, in log units; `pooled` ones share an unknown scale; `weight`
    multiplies it, for trends."""

    name: str
    sd: float
    mean: float = 0.0
    pooled: bool = False
    weight: float = 1.0


@dataclass(frozen=True)
class Term:
    """One part of the time of one row: log of its known size, and the effects that multiply it."""

    offset: float
    effects: tuple[Effect, ...]


def terms(rate: RateKind, row: Observation) -> tuple[Term, ...]:
    """The parts of the seconds that a token of `row` takes."""
    if rate == "prefill":
        return (_compute(row),)
    return (_memory(row), _overhead(row), _unpacking(row))


def _memory(row: Observation) -> Term:
    bandwidth = row.bandwidth_bytes_s or BANDWIDTH_BYTES_S
    effects = [
        Effect("memory", 0.15, mean=-log(0.85)),
        Effect("memory trend", 0.03, weight=_size(row)),
        Effect(f"memory platform {row.platform}", 0.08, pooled=True),
        Effect(f"memory group {row.device}", 0.06, pooled=True),
        Effect(f"memory engine {row.platform} {row.engine}", 0.06, pooled=True),
        Effect(f"memory family {row.engine} {quants.family(row.quant)}", 0.04, pooled=True),
    ]
    if row.bandwidth_bytes_s is None:
        effects.append(Effect(f"memory unknown {row.device}", 1.0))
    if row.bandwidth_copied:
        effects.append(Effect(f"memory copied {row.platform}", 0.3))
    if row.cached:
        effects.append(Effect(f"memory cached {row.device}", 0.7, mean=-log(3)))
    return Term(log(row.read_bytes / bandwidth), tuple(effects))


def _overhead(row: Observation) -> Term:
    """Cycles a layer's dependent kernels, or the threads' barriers, take to start and drain.

    10 of them a layer, some 5000 cycles each; a class whose clock is not known differs more.
    """
    clock = row.clock_hz or CLOCK_HZ[row.platform]
    effects = [
        Effect("overhead", 0.8, mean=log(10 * 5000)),
        Effect("overhead trend", 0.1, weight=_size(row)),
        Effect(f"overhead platform {row.platform}", 0.7),
        Effect(f"overhead group {row.device}", 0.15, pooled=True),
    ]
    if row.engine in EAGER:
        effects.append(Effect(f"overhead engine {row.engine}", 0.7, mean=log(8)))
        effects.append(Effect(f"overhead method {row.engine} {row.quant}", 0.4))
    else:
        effects.append(Effect(f"overhead engine {row.engine}", 0.4))
    if row.clock_hz is None:
        effects.append(Effect(f"overhead unknown {row.device}", 0.4))
    return Term(log(_layers(row) / clock), tuple(effects))


def _unpacking(row: Observation) -> Term:
    family = quants.family(row.quant)
    effects = [
        Effect(f"unpack {family}", 0.8, mean=log(_UNPACK[family])),
        Effect(f"unpack platform {row.platform}", 0.3),
        Effect(f"unpack engine {row.engine} {family}", 0.4, pooled=True),
        Effect(f"unpack quant {row.engine} {row.quant}", 0.3, pooled=True),
        Effect(f"unpack group {row.device}", 0.2, pooled=True),
    ]
    if row.flops_single is None:
        effects.append(Effect(f"unpack unknown {row.device}", 0.8))
    return Term(log(row.parameters / _single(row)), tuple(effects))


def _compute(row: Observation) -> Term:
    half = row.flops_half or _single(row) * HALF_PER_SINGLE.get(row.platform, 1.0)
    family = quants.family(row.quant)
    effects = [
        Effect("compute", 0.5, mean=-log(0.6)),
        Effect(f"compute platform {row.platform}", 0.4),
        Effect(f"compute group {row.device}", 0.12, pooled=True),
        Effect(f"compute engine {row.platform} {row.engine}", 0.2, pooled=True),
        Effect(f"compute family {row.engine} {family}", 0.08, pooled=True),
    ]
    if row.flops_half is None:
        effects.append(Effect(f"compute unknown {row.device}", 1.0))
    return Term(log(2 * row.parameters / half), tuple(effects))


def _size(row: Observation) -> float:
    """How much larger than usual a chip is: a token's work may fill large ones less well."""
    return log((row.bandwidth_bytes_s or BANDWIDTH_BYTES_S) / BANDWIDTH_BYTES_S)


def _layers(row: Observation) -> float:
    return row.layers or LAYERS * (row.parameters / LAYER_PARAMETERS) ** (1 / 3)


def _single(row: Observation) -> float:
    bandwidth = row.bandwidth_bytes_s or BANDWIDTH_BYTES_S
    return row.flops_single or bandwidth * SINGLE_PER_BYTE.get(row.platform, SINGLE_PER_BYTE_GPU)
