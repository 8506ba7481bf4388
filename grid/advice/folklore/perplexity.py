"""Rules about by how much perplexity rises."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from grid.advice.folklore.evidence import RuleEvidence, has_error
from grid.advice.folklore.rule import Finding, Rule
from grid.advice.folklore.verdict import FIRST_LARGER, Band, Quantity, judge_within, significant
from grid.analysis.variant import Variant
from grid.results.statistics.interval import Floats

GROUP = "perplexity"

LADDER = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K")


def perplexity_rise(evidence: RuleEvidence, variant: Variant) -> tuple[Floats, bool] | None:
    """Draws of perplexity minus that of 16 bits [draws], and whether their error is known.

    From the paired ratio over the same tokens where it was kept with its error; else from two
    perplexities taken as independent, which is wider than the truth. None where one is missing."""
    reference = evidence.sixteen_bit(variant)
    if reference is None or reference.perplexity is None or variant.perplexity is None:
        return None
    base = evidence.normal_draws(reference.perplexity, "perplexity", reference.id)
    ratio = variant.text_metrics.get("ln_ppl_ratio")
    if ratio is not None and has_error(ratio):
        draws = evidence.normal_draws(ratio, "ratio", variant.id)
        return np.asarray(base * np.expm1(draws)), True
    mine = evidence.normal_draws(variant.perplexity, "perplexity", variant.id)
    error_known = has_error(reference.perplexity) and has_error(variant.perplexity)
    return np.asarray(mine - base), error_known


def rise_rule(rule: str, preset: str, low: float, high: float) -> Rule:
    """The rule that perplexity rises by `low` to `high` at a preset."""
    claim = f"{low:g} to {high:g}"
    band = Band(low, high, claim)

    def judge(evidence: RuleEvidence) -> Finding:
        quantities = []
        for variant in evidence.of_preset(preset):
            rise = perplexity_rise(evidence, variant)
            if rise is not None:
                ratio = variant.text_metrics.get("ln_ppl_ratio")
                paired = "" if ratio is not None and has_error(ratio) else " (unpaired)"
                name = f"{evidence.label(variant)}{paired}"
                subject = f"{name}: perplexity rises by"
                quantities.append(Quantity(name, rise[0], significant, rise[1], subject=subject))
        return judge_within(quantities, band)

    text = f"perplexity rises by {claim} at {preset}"
    reading = "perplexity minus that of the same model at 16 bits on the same text, every model"
    return Rule(rule, GROUP, text, reading, f"texts at {preset} and at 16 bits", judge)


def judge_each_step(evidence: RuleEvidence) -> Finding:
    """The rise at each step down the ladder less that at the step before, in each model."""
    quantities = []
    for rungs in evidence.ladder(LADDER, lambda v: perplexity_rise(evidence, v) is not None):
        for above, under in pairwise(rungs):
            first, second = perplexity_rise(evidence, above), perplexity_rise(evidence, under)
            if first is not None and second is not None:
                name = f"{evidence.label(under)} over {above.quant}"
                error_known = first[1] and second[1]
                rise = second[0] - first[0]
                subject = f"{evidence.label(under)} minus {above.quant}: perplexity"
                quantities.append(Quantity(name, rise, significant, error_known, subject=subject))
    return judge_within(quantities, FIRST_LARGER)


RULES = (
    rise_rule("ppl-q8_0", "Q8_0", 0.01, 0.03),
    rise_rule("ppl-q6_k", "Q6_K", 0.02, 0.05),
    rise_rule("ppl-q5_k_m", "Q5_K_M", 0.05, 0.1),
    rise_rule("ppl-q4_k_m", "Q4_K_M", 0.1, 0.3),
    rise_rule("ppl-q3_k_m", "Q3_K_M", 0.5, 1.0),
    rise_rule("ppl-q2_k", "Q2_K", 1.0, 2.0),
    Rule(
        "ppl-each-step", GROUP, "perplexity rises with each step down in bits",
        f"from each of {', '.join(LADDER)} to the next that was measured, in every model",
        "texts at 16 bits and at two of these", judge_each_step,
    ),
)  # fmt: skip
