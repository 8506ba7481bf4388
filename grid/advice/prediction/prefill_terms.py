"""Prefill: operations / (share x what the arithmetic units can do), and one pass over the weights.

An arithmetic unit (NVIDIA's SM, AMD's CU, a core of Apple's GPU) does so many operations a cycle on
paper; kernels for quantized weights reach a number of their own, whatever is on paper: a unit whose
matrix part is four times as fast waits as long for unpacked weights. So what limits is the lesser.
"""

from __future__ import annotations

from math import log

import numpy as np

from grid.advice.prediction import quants
from grid.advice.prediction.effects import Effect, Term
from grid.advice.prediction.observation import Observation
from grid.advice.prediction.shape import bandwidth_of, clock_of, layers_of, single_of
from grid.results.statistics.interval import Floats

_HALF_PER_SINGLE = {"cuda": 2.0}
_LANES = {"Volta": 64, "Turing": 64, "RDNA 1": 64, "RDNA 2": 64, "GCN": 64, "CDNA": 64}
_LANES_USUAL = 128
"""32-bit lanes of a unit, as data sheets count them."""
_MATRIX = ("Turing", "Ampere", "Ada", "Hopper", "Blackwell", "RDNA 3", "RDNA 4", "CDNA", "Xe")
"""Generations with a matrix part that takes 8-bit integers."""
_UNIT_OPERATIONS = {"cuda": (512, 320), "rocm": (256, 160), "vulkan": (256, 128)}
"""Operations a cycle at which a unit unpacks and multiplies, with a matrix part and without."""
_BATCH = {"llamacpp": 512}
_BATCH_USUAL = 2048
"""Tokens that go through the model at a time, by engine: each batch reads all weights."""
_TILE = 128
"""Rows that a matrix product takes at a time: an expert with fewer tokens leaves some empty."""


def prefill_terms(row: Observation) -> tuple[Term, ...]:
    """Parts of the seconds that a token of a prompt takes."""
    return (_compute(row), _pass(row))


def _compute(row: Observation) -> Term:
    family = quants.family(row.quant)
    kernels = "whole" if family == quants.SIXTEEN else "unpacking"
    effects = [
        Effect("compute", 0.3, mean=-log(0.75)),
        Effect(f"compute {kernels} {row.platform}", 0.3),
        Effect(f"compute generation {row.platform} {row.generation}", 0.2, pooled=True),
        Effect(f"compute group {row.device}", 0.12, pooled=True),
        Effect(f"compute engine {row.platform} {row.engine}", 0.2, pooled=True),
        Effect(f"compute family {row.engine} {family}", 0.08, pooled=True),
    ]
    if row.mixture:
        effects.append(Effect("compute mixture", 0.3, mean=_tile_waste(row)))
        effects.append(Effect(f"compute mixture {row.platform} {row.engine}", 0.3))
    if row.flops_half is None:
        effects.append(Effect(f"compute unknown {row.device}", 0.6))
    return Term(log(2 * row.parameters / reachable(row)), tuple(effects))


def _pass(row: Observation) -> Term:
    """Seconds a token of a batch's share in reading all weights and starting all kernels."""
    seconds = row.weight_bytes / (0.8 * bandwidth_of(row)) + layers_of(row) * 1e5 / clock_of(row)
    effects = (Effect("pass", 0.3), Effect(f"pass {row.platform}", 0.3))
    return Term(log(seconds / _batch(row)), effects)


def _batch(row: Observation) -> int:
    return min(row.prompt, _BATCH.get(row.engine, _BATCH_USUAL))


def _tile_waste(row: Observation) -> float:
    """Log of the factor by which experts' small matrix products take longer than one large one: an
    expert gets the share of a batch's tokens that a token uses of the weights."""
    tokens = _batch(row) * row.parameters / (row.total_parameters or row.parameters)
    return log(1 + _TILE / max(tokens, 1.0))


def within_peak(rates: Floats, row: Observation) -> Floats:
    """Rates [n], token/s, no higher than the chip's 16-bit rate allows, where that is known."""
    if row.flops_half is None:
        return rates
    return np.minimum(rates, row.flops_half / (2 * row.parameters))


def _peak(row: Observation) -> float:
    """Operations/s of the 16-bit rate on paper."""
    return row.flops_half or single_of(row) * _HALF_PER_SINGLE.get(row.platform, 1.0)


def reachable(row: Observation) -> float:
    """Operations/s that limit: those on paper, or of the kernels that unpack."""
    units = _UNIT_OPERATIONS.get(row.platform)
    if units is None or row.flops_single is None or quants.family(row.quant) == quants.SIXTEEN:
        return _peak(row)
    matrix = row.generation.startswith(_MATRIX)
    return min(_peak(row), row.flops_single / (2 * _lanes(row)) * units[0 if matrix else 1])


def _lanes(row: Observation) -> int:
    if row.generation == "Ampere" and row.memory_type.startswith("HBM"):
        return 64  # the A100: half the lanes of the others
    named = (count for name, count in _LANES.items() if row.generation.startswith(name))
    return next(named, _LANES_USUAL)
