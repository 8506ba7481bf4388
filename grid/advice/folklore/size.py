"""Rules about how large a model is at a quant."""

from __future__ import annotations

import math

import numpy as np

from grid.advice.folklore.evidence import REAL_PARAMETERS, RuleEvidence, bits_per_weight
from grid.advice.folklore.quants import nominal_bits
from grid.advice.folklore.rule import Finding, Rule
from grid.advice.folklore.verdict import Band, Quantity, judge_within, span
from grid.analysis.posterior import SEED
from grid.analysis.variant import Variant
from grid.models.identity import digest
from grid.results.statistics.interval import Floats

GROUP = "size"

ABOUT = 0.1
"""Part by which a size may differ from one that a rule calls "about"."""

OVERHEAD_SHARE = (0.1, 0.2)
"""What a KV cache of a few thousand tokens and the engine's buffers take beside the weights, as a
part of them: people allow 10 to 20 %."""

LARGER = 1.5
"""Times the parameters from which a model's bits per weight differ from those of a measured one:
its embedding table, which is kept at more bits, is a smaller part."""

EMBEDDING_SHARE = 0.08
"""By how much at most they are fewer then, where the rows do not say the bits of the layers."""


def bits_draws(evidence: RuleEvidence, parameters: float, preset: str) -> Floats | None:
    """Bits per weight that a model of so many parameters may have at a preset [draws].

    Uniform between the least and the most of the models of 1e9 parameters and more in the rows;
    None without one. For a model much larger than a measured one, the least is that of its layers.
    """
    variants = evidence.sized_subjects(preset)
    if not variants:
        return None
    low = min(_least_bits(variant, parameters) for variant in variants)
    high = max(bits_per_weight(variant) or 0.0 for variant in variants)
    return uniform_draws(evidence, low, high, "bits", preset)


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


def overhead_draws(evidence: RuleEvidence) -> Floats:
    """Memory beside the weights, as a part of them [draws]: uniform over OVERHEAD_SHARE."""
    return uniform_draws(evidence, *OVERHEAD_SHARE, "beside the weights")


def judge_size_formula(evidence: RuleEvidence) -> Finding:
    """Bits per weight of the file over those in the quant's name, less 1, in every variant of a
    model of REAL_PARAMETERS or more."""
    quantities = []
    for variant in evidence.where(lambda v: (v.parameters or 0) >= REAL_PARAMETERS):
        bits, nominal = bits_per_weight(variant), nominal_bits(variant.quant)
        if bits and nominal and nominal < 16:
            gap = np.full(evidence.posterior.draws, bits / nominal - 1)
            text = (
                f"{evidence.label(variant)} {bits:.3g} bits ({100 * (bits / nominal - 1):+.0f} %)"
            )
            quantities.append(Quantity(evidence.label(variant), gap, text=text))
    quantities.sort(key=lambda quantity: (-abs(quantity.mean), quantity.name))
    return judge_within(
        quantities, Band(-ABOUT, ABOUT, f"within {100 * ABOUT:g} % of the bits in the name")
    )


def size_rule(rule: str, memory: int, parameters: float, preset: str, claimed_gb: float) -> Rule:
    """The rule that a model of so many parameters at a preset takes about so many GB, as told to
    owners of `memory` GB."""
    billions = f"{parameters / 1e9:g}B"

    def judge(evidence: RuleEvidence) -> Finding:
        bits = bits_draws(evidence, parameters, preset)
        if bits is None:
            return judge_within([], Band(0, 0, ""))
        weights = parameters * bits / 8
        ends = np.array([weights.min(), weights.max()])
        text = (
            f"{billions} at {preset}: weights {span(weights / 1e9)} GB "
            f"({span(bits)} bits), with cache and buffers "
            f"{span(ends * np.array([1 + OVERHEAD_SHARE[0], 1 + OVERHEAD_SHARE[1]]) / 1e9)} GB"
        )
        low, high = 1 - ABOUT, (1 + OVERHEAD_SHARE[1]) * (1 + ABOUT)
        quantity = Quantity(
            f"{billions} {preset}, said / weights", claimed_gb * 1e9 / weights, text=text
        )
        return judge_within([quantity], Band(low, high, f"about {claimed_gb:g} GB"))

    text = f"{memory} GB: {billions} at {preset} takes about {claimed_gb:g} GB"
    reading = (
        "what is said lies between the weights alone and the weights with 20 % for cache and "
        "buffers, 10 % either way; parameters * bits per weight of the rows / 8"
    )
    needs = f"a model of 1B parameters or more at {preset}, measured in any way"
    return Rule(rule, GROUP, text, reading, needs, judge)


RULES = (
    Rule(
        "size-formula", GROUP, "file size = parameters x bits / 8",
        f"with the bits in the quant's name, within {100 * ABOUT:g} %, every variant below 16 bits "
        "of a model of 1B parameters or more",
        "a model of 1B parameters or more at any quant whose name has its bits", judge_size_formula,
    ),
    size_rule("size-128-70b-q4_k_m", 128, 70e9, "Q4_K_M", 43),
    size_rule("size-128-70b-q5_k_m", 128, 70e9, "Q5_K_M", 48),
    size_rule("size-128-70b-q6_k", 128, 70e9, "Q6_K", 57),
    size_rule("size-128-405b-q2_k", 128, 405e9, "Q2_K", 95),
    size_rule("size-64-70b-q3_k_m", 64, 70e9, "Q3_K_M", 35),
    size_rule("size-64-34b-q5_k_m", 64, 34e9, "Q5_K_M", 25),
    size_rule("size-64-34b-q6_k", 64, 34e9, "Q6_K", 30),
    size_rule("size-32-8b-q8_0", 32, 8e9, "Q8_0", 10),
    size_rule("size-32-13b-q5_k_m", 32, 13e9, "Q5_K_M", 12),
    size_rule("size-32-34b-q3_k_m", 32, 34e9, "Q3_K_M", 18),
)  # fmt: skip
