"""Rules about how large a model is at a quant."""

from __future__ import annotations

import numpy as np

from grid.advice.folklore.evidence import REAL_PARAMETERS, RuleEvidence, bits_per_weight
from grid.advice.folklore.quants import nominal_bits, preset_of
from grid.advice.folklore.rule import Finding, Rule
from grid.advice.folklore.shapes import WEIGHTS, needed_bits, shapes_near, uniform_draws
from grid.advice.folklore.verdict import Band, Quantity, judge_within, span
from grid.results.statistics.interval import Floats

GROUP = "size"

PERCENT_OF = 70e9
"""Parameters of the model that the columns of percent are told for."""

ABOUT = 0.1
"""Part by which a size may differ from one that a rule calls "about"."""

OVERHEAD_SHARE = (0.1, 0.2)
"""What a KV cache of a few thousand tokens and the engine's buffers take beside the weights, as a
part of them: people allow 10 to 20 %."""

STATED_BITS = {
    "Q2_K": 2.5, "Q3_K_S": 3.0, "Q3_K_M": 3.5, "Q4_K_S": 4.25, "Q4_K_M": 4.5, "Q5_K_S": 5.0,
    "Q5_K_M": 5.5, "Q6_K": 6.5, "Q8_0": 8.0,
}  # fmt: skip
"""Bits per weight that guides put into the formula; of other quants those in the name."""

STATED_PERCENT = {
    "Q2_K": 18, "Q3_K_S": 22, "Q3_K_M": 25, "Q4_K_S": 30, "Q4_K_M": 32, "Q5_K_S": 36,
    "Q5_K_M": 38, "Q6_K": 45, "Q8_0": 55,
}  # fmt: skip
"""Percent of the 16-bit size in the columns of guides."""


def overhead_draws(evidence: RuleEvidence) -> Floats:
    """Memory beside the weights, as a part of them [draws]: uniform over OVERHEAD_SHARE."""
    return uniform_draws(evidence, *OVERHEAD_SHARE, "beside the weights")


def judge_size_formula(evidence: RuleEvidence) -> Finding:
    """Bits per weight of the file over those that guides state, less 1, in every variant of a
    model of REAL_PARAMETERS or more."""
    quantities = []
    for variant in evidence.where(lambda v: (v.parameters or 0) >= REAL_PARAMETERS):
        bits, name = bits_per_weight(variant), preset_of(variant.quant)
        stated = STATED_BITS.get(name) or nominal_bits(variant.quant)
        if bits and stated and stated < 16:
            quantities.append(_gap(evidence, evidence.label(variant), bits, stated))
    if quantities:
        return _judge_gaps(quantities, "the stated bits")
    return _judge_gaps(_formula_by_shapes(evidence), "the stated bits", arithmetic=True)


def _formula_by_shapes(evidence: RuleEvidence) -> list[Quantity]:
    """The same of a public model of 7 to 9 billion, the size that guides take as their example."""
    return [
        _gap(evidence, f"{model.name} {preset}", size.bpw_file, stated)
        for model in shapes_near(evidence, 8e9)[:1]
        for preset, stated in STATED_BITS.items()
        if (size := model.size(preset)) is not None
    ]


def _gap(evidence: RuleEvidence, name: str, bits: float, stated: float) -> Quantity:
    gap = bits / stated - 1
    text = f"{name} has {bits:.3g} bits, stated {stated:g} ({100 * gap:+.0f} %)"
    return Quantity(name, np.full(evidence.posterior.draws, gap), text=text)


def _judge_gaps(
    quantities: list[Quantity], of: str, source: str = "", *, arithmetic: bool = False
) -> Finding:
    quantities.sort(key=lambda quantity: (-abs(quantity.middle), quantity.name))
    band = Band(-ABOUT, ABOUT, f"within {100 * ABOUT:g} % of {of}")
    return judge_within(quantities, band, source, arithmetic=arithmetic)


def judge_percent(evidence: RuleEvidence) -> Finding:
    """Part of the 16-bit size over that in the columns of guides, less 1."""
    quantities, sources, arithmetic = [], set(), True
    for preset, percent in STATED_PERCENT.items():
        bits = needed_bits(evidence, PERCENT_OF, preset)
        if bits is not None:
            share = 100 * bits.per_weight / 16
            arithmetic &= bits.arithmetic
            sources.add(bits.source)
            text = f"{preset} {span(share)} % (stated {percent} %)"
            quantities.append(Quantity(preset, np.asarray(share / percent - 1), text=text))
    source = "; ".join(sorted(sources))
    return _judge_gaps(quantities, "the stated share", source, arithmetic=arithmetic)


def size_rule(rule: str, memory: int, parameters: float, preset: str, claimed_gb: float) -> Rule:
    """The rule that a model of so many parameters at a preset takes about so many GB (10 ** 9
    bytes, as hubs list files), in advice for `memory` GiB (0: for any)."""
    billions = f"{parameters / 1e9:g}B"

    def judge(evidence: RuleEvidence) -> Finding:
        bits = needed_bits(evidence, parameters, preset)
        if bits is None:
            return judge_within([], Band(0, 0, ""))
        weights = parameters * bits.draws / 8
        ends = np.array([weights.min(), weights.max()])
        text = (
            f"{billions} at {preset}: weights {span(weights / 1e9)} GB "
            f"({span(bits.draws)} bits), with cache and buffers "
            f"{span(ends * np.array([1 + OVERHEAD_SHARE[0], 1 + OVERHEAD_SHARE[1]]) / 1e9)} GB"
        )
        low, high = 1 - ABOUT, (1 + OVERHEAD_SHARE[1]) * (1 + ABOUT)
        quantity = Quantity(
            f"{billions} {preset}, said / weights", claimed_gb * 1e9 / weights, text=text
        )
        band = Band(low, high, f"about {claimed_gb:g} GB")
        return judge_within([quantity], band, bits.source, arithmetic=bits.arithmetic)

    place = f" (advice for {memory} GiB)" if memory else ""
    text = f"{billions} at {preset} takes about {claimed_gb:g} GB{place}"
    reading = (
        "the claim lies between the weights alone and the weights with 20 % for cache and buffers, "
        f"10 % either way; weights = {WEIGHTS}"
    )
    needs = f"any measurement of a model of 1B parameters or more at {preset}"
    return Rule(rule, GROUP, text, reading, needs, judge)


_STATED = ", ".join(f"{name} {bits:g}" for name, bits in STATED_BITS.items())
_PERCENT = ", ".join(f"{name} {percent} %" for name, percent in STATED_PERCENT.items())

RULES = (
    Rule(
        "size-formula", GROUP, "file size = parameters x bits / 8",
        f"within {100 * ABOUT:g} %, with the bits that guides state ({_STATED}; else those in the "
        "quant's name), in every variant below 16 bits of a model of 1B parameters or more; "
        "without such rows by the shape of a public 8B model",
        "a model of 1B parameters or more at a quant whose name has its bits", judge_size_formula,
    ),
    Rule(
        "size-percent", GROUP, f"share of the 16-bit size: {_PERCENT}",
        f"bits per weight / 16, within {100 * ABOUT:g} % of the stated share, at every quant; from "
        "rows of a 70B model, else from a public model's shape",
        "a model of 1B parameters or more at any of these", judge_percent,
    ),
    size_rule("size-70b-q2_k", 0, 70e9, "Q2_K", 22),
    size_rule("size-70b-q8_0", 0, 70e9, "Q8_0", 70),
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
