"""What public shapes say of models that nobody has to have: sizes of files and of caches."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from grid.advice.folklore.evidence import RuleEvidence, bits_per_weight
from grid.analysis.posterior import SEED
from grid.analysis.variant import Variant
from grid.models.identity import digest
from grid.models.public import PublicModel
from grid.results.statistics.interval import Floats

WEIGHTS = (
    "parameters x bits per weight / 8, from rows of a model of that size, else from a public "
    "model's shape"
)
"""How rules compute the bytes of weights that nobody measured."""

NEAR = 1.06
"""Factor of the parameters within which rows count as of the size that a rule names."""

LARGER = 1.5
"""Times the parameters from which a model's bits per weight differ from those of a measured one:
its embedding table, which is kept at more bits, is a smaller part."""

EMBEDDING_SHARE = 0.08
"""By how much at most they are fewer then, where the rows do not say the bits of the layers."""


@dataclass(frozen=True)
class NeededBits:
    """Bits of a file for each parameter that a rule names [draws], and where they are from;
    `arithmetic` where that is a public shape, and no row. `per_weight` are the bits of each weight
    that the models have [draws]: 68.98 billion are called 70."""

    draws: Floats
    per_weight: Floats
    source: str
    arithmetic: bool


def needed_bits(evidence: RuleEvidence, parameters: float, preset: str) -> NeededBits | None:
    """Bits per weight that a model of so many parameters may have at a preset.

    Uniform between the least and the most: of models of that size in the rows; else of those whose
    shape is public, by arithmetic; else of the models of 1e9 parameters and more in the rows. None
    without any. For a model much larger than a measured one, the least is that of its layers.
    """
    variants = evidence.sized_subjects(preset)
    near = [v for v in variants if _is_near(v.parameters, parameters)]
    if not near:
        shapes = [m for m in shapes_near(evidence, parameters) if m.size(preset) is not None]
        if shapes:
            return _bits_of_shapes(evidence, shapes, parameters, preset)
    return _bits_of_rows(evidence, near or variants, parameters, preset)


def shapes_near(evidence: RuleEvidence, parameters: float) -> list[PublicModel]:
    """Dense public models that are called by so many parameters: `Llama-3.1-70B` is a 70B."""
    called = re.compile(rf"(?<![\d.]){parameters / 1e9:g}b(?![a-z])", re.IGNORECASE)
    return [m for m in evidence.shapes if not m.is_mixture and called.search(m.name)]


def _is_near(count: int, parameters: float) -> bool:
    return count > 0 and abs(math.log(count / parameters)) <= math.log(NEAR)


def _bits_of_shapes(
    evidence: RuleEvidence, shapes: list[PublicModel], parameters: float, preset: str
) -> NeededBits:
    by_size = {size.tensor_bytes: m.name for m in reversed(shapes) if (size := m.size(preset))}
    low, high = (8 * size / parameters for size in (min(by_size), max(by_size)))
    own = [size.bpw_file for model in shapes if (size := model.size(preset))]
    names = " and ".join(sorted(by_size.values()))
    draws = uniform_draws(evidence, low, high, "bits", preset)
    own_draws = uniform_draws(evidence, min(own), max(own), "bits", preset)
    return NeededBits(draws, own_draws, f"by the shape of {names}", arithmetic=True)


def _bits_of_rows(
    evidence: RuleEvidence, variants: list[Variant], parameters: float, preset: str
) -> NeededBits | None:
    if not variants:
        return None
    low = min(_least_bits(variant, parameters) for variant in variants)
    high = max(bits_per_weight(variant) or 0.0 for variant in variants)
    names = ", ".join(dict.fromkeys(variant.model for variant in variants[:3]))
    draws = uniform_draws(evidence, low, high, "bits", preset)
    return NeededBits(draws, draws, f"with the bits of {names}", arithmetic=False)


def _least_bits(variant: Variant, parameters: float) -> float:
    bits = bits_per_weight(variant) or math.inf
    if parameters < LARGER * (variant.parameters or 0):
        return bits
    return min(bits, variant.bpw_layer or (1 - EMBEDDING_SHARE) * bits)


def uniform_draws(evidence: RuleEvidence, low: float, high: float, *stream: object) -> Floats:
    """Draws of a uniform distribution between two ends [draws]."""
    draws = evidence.posterior.draws
    rng = np.random.default_rng([SEED, int(digest(*map(str, stream)), 16)])
    return rng.uniform(low, high, draws) if high > low else np.full(draws, low)
