"""Rules about by how much perplexity rises."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from grid.advice.folklore.evidence import Evidence, has_error
from grid.advice.folklore.rule import Finding, Rule
from grid.advice.folklore.verdict import MORE, Band, Case, plain, within
from grid.analysis.variant import Variant
from grid.results.statistics.interval import Floats

GROUP = "perplexity"

LADDER = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K")


def rise(evidence: Evidence, variant: Variant) -> tuple[Floats, bool] | None:
    """Draws of perplexity less that of 16 bits [draws], and whether how sure it is is known.

    From the paired ratio over the same tokens where it was kept with its error; else from two
    perplexities taken as independent, which is wider than the truth. None where one is missing."""
    whole = evidence.whole(variant)
    if whole is None or whole.perplexity is None or variant.perplexity is None:
        return None
    base = evidence.normal(whole.perplexity, "perplexity", whole.id)
    ratio = variant.text_metrics.get("ln_ppl_ratio")
    if ratio is not None and has_error(ratio):
        draws = evidence.normal(ratio, "ratio", variant.id)
        return np.asarray(base * np.expm1(draws)), True
    mine = evidence.normal(variant.perplexity, "perplexity", variant.id)
    known = has_error(whole.perplexity) and has_error(variant.perplexity)
    return np.asarray(mine - base), known


def rises(rule: str, name: str, low: float, high: float) -> Rule:
    """The rule that perplexity rises by `low` to `high` at a preset."""
    said = f"{low:g} to {high:g}"
    band = Band(low, high, said)

    def judge(evidence: Evidence) -> Finding:
        cases = []
        for variant in evidence.of(name):
            found = rise(evidence, variant)
            if found is not None:
                ratio = variant.text_metrics.get("ln_ppl_ratio")
                paired = "" if ratio is not None and has_error(ratio) else " (unpaired)"
                told = f"{evidence.name(variant)}{paired}"
                cases.append(Case(told, found[0], plain, found[1]))
        return within(cases, band)

    text = f"perplexity rises by {said} at {name}"
    reading = "perplexity less that of the same model at 16 bits on the same text, every model"
    return Rule(rule, GROUP, text, reading, f"texts at {name} and at 16 bits", judge)


def rises_with_each_step(evidence: Evidence) -> Finding:
    """The rise at each step down the ladder less that at the step before, in each model."""
    cases = []
    for rungs in evidence.ladder(LADDER, lambda v: rise(evidence, v) is not None):
        for above, under in pairwise(rungs):
            first, second = rise(evidence, above), rise(evidence, under)
            if first is not None and second is not None:
                name = f"{evidence.name(under)} over {above.quant}"
                known = first[1] and second[1]
                cases.append(Case(name, second[0] - first[0], plain, known))
    return within(cases, MORE)


RULES = (
    rises("ppl-q8_0", "Q8_0", 0.01, 0.03),
    rises("ppl-q2_k", "Q2_K", 1.0, 2.0),
    Rule(
        "ppl-each-step", GROUP, "perplexity rises with every step down in bits",
        f"from each of {', '.join(LADDER)} to the next that was measured, in every model",
        "texts at 16 bits and at two of these", rises_with_each_step,
    ),
)  # fmt: skip
