"""Decode: bytes / (efficiency x bandwidth) + layers x cycles / clock + weights x ops / rate."""

from __future__ import annotations

from math import log

from grid.advice.prediction import quants
from grid.advice.prediction.effects import Effect, Term
from grid.advice.prediction.observation import Observation
from grid.advice.prediction.shape import (
    bandwidth_of,
    bandwidth_ratio,
    clock_of,
    layers_of,
    single_of,
)

EAGER = frozenset({"transformers", "autoawq", "autogptq", "bitsandbytes"})
"""Engines that start each kernel from Python, some ten times what a recorded graph takes; how many
kernels there are depends on the method too."""
SYSTEM_ON_CHIP = frozenset({"metal", "cpu"})
"""Platforms of which all share their memory with the system."""

_SLOWER = {"cpu": 0.25}
"""Log of how much less of the nominal bandwidth processors reach than cards: some 70 %, as cores
wait for one another at each layer."""
_UNPACK = {
    quants.SIXTEEN: 0.5, quants.LEGACY: 0.7, quants.GROUPED: 1.0, quants.K_HIGH: 2.0,
    quants.K_LOW: 5.0, quants.I_HIGH: 2.0, quants.I_LOW: 8.0,
}  # fmt: skip
"""Operations for each weight that reading it does not hide: a guess that data soon outweigh."""


def decode_terms(row: Observation) -> tuple[Term, ...]:
    """Parts of the seconds that a decoded token takes: reading, starting kernels, unpacking."""
    return (_memory(row), _overhead(row), _unpacking(row))


def _memory(row: Observation) -> Term:
    slower = _SLOWER.get(row.platform, 0.0)
    effects = [
        Effect("memory", 0.12, mean=-log(0.88)),
        Effect(f"memory trend {row.platform}", 0.05, weight=bandwidth_ratio(row)),
        Effect(f"memory platform {row.platform}", 0.08, slower, pooled=True),
        Effect(f"memory generation {row.platform} {row.generation}", 0.04, pooled=True),
        Effect(f"memory group {row.device}", 0.04, pooled=True),
        Effect(f"memory engine {row.platform} {row.engine}", 0.06, pooled=True),
        Effect(f"memory family {row.engine} {quants.family(row.quant)}", 0.04, pooled=True),
    ]
    if row.unified and row.platform not in SYSTEM_ON_CHIP:
        effects.append(Effect("memory unified", 0.1, mean=0.15))
    if row.memory_type.startswith("HBM"):
        effects.append(Effect("memory hbm", 0.1, mean=0.05))
    if row.mixture:
        effects.append(Effect("memory mixture", 0.15, mean=0.1))
        effects.append(Effect(f"memory mixture {row.platform}", 0.08, pooled=True))
    if row.bandwidth_bytes_s is None:
        effects.append(Effect(f"memory unknown {row.device}", 1.0))
    if row.bandwidth_copied:
        effects.append(Effect(f"memory copied {row.platform}", 0.3))
    if row.cached:
        effects.append(Effect(f"memory cached {row.device}", 0.7, mean=-log(3)))
    return Term(log(row.read_bytes / bandwidth_of(row)), tuple(effects))


def _overhead(row: Observation) -> Term:
    """Cycles a layer's dependent kernels, or the threads' barriers, take to start and drain.

    20 of them a layer, some 5000 cycles each; a class whose clock is not known differs more. A
    mixture has some more: it scores the experts, picks some and gathers their results.
    """
    effects = [
        Effect("overhead", 0.5, mean=log(20 * 5000)),
        Effect("overhead trend", 0.1, weight=bandwidth_ratio(row)),
        Effect(f"overhead platform {row.platform}", 0.5),
        Effect(f"overhead generation {row.platform} {row.generation}", 0.15, pooled=True),
        Effect(f"overhead group {row.device}", 0.12, pooled=True),
    ]
    if row.mixture:
        effects.append(Effect("overhead mixture", 0.4, mean=log(1.5)))
        effects.append(Effect(f"overhead mixture {row.platform}", 0.3, pooled=True))
    if row.engine in EAGER:
        effects.append(Effect(f"overhead engine {row.engine}", 0.7, mean=log(8)))
        effects.append(Effect(f"overhead method {row.engine} {row.quant}", 0.4))
    else:
        effects.append(Effect(f"overhead engine {row.engine}", 0.3))
    if row.clock_hz is None:
        effects.append(Effect(f"overhead unknown {row.device}", 0.4))
    return Term(log(layers_of(row) / clock_of(row)), tuple(effects))


def _unpacking(row: Observation) -> Term:
    family = quants.family(row.quant)
    effects = [
        Effect(f"unpack {family}", 0.8, mean=log(_UNPACK[family])),
        Effect(f"unpack platform {row.platform}", 0.2),
        Effect(f"unpack engine {row.engine} {family}", 0.3, pooled=True),
        Effect(f"unpack quant {row.engine} {row.quant}", 0.3, pooled=True),
        Effect(f"unpack group {row.device}", 0.15, pooled=True),
    ]
    if row.flops_single is None:
        effects.append(Effect(f"unpack unknown {row.device}", 0.5))
    return Term(log(row.parameters / single_of(row)), tuple(effects))
