"""Rules about what a quant loses of the 16-bit capability."""

from __future__ import annotations

import math

import numpy as np

from grid.advice.folklore.evidence import Evidence, items_of, of_bits, sure_of
from grid.advice.folklore.quants import nominal_bits, preset
from grid.advice.folklore.rule import OPEN, Finding, Rule
from grid.advice.folklore.verdict import ABOVE_ZERO, Band, Case, points, within
from grid.analysis.posterior import SEED
from grid.analysis.variant import Variant
from grid.results.statistics.interval import Floats

GROUP = "loss"

NEXT_TO = 0.02
"""Capability below the best of its size at which a variant is still next to the frontier."""

OF_EACH = 3
"""Models of each kind of attention below which kinds are not told from single models."""

NARROW = 0.6
"""Width of a layer's keys over that of the model below which query heads share keys. The model's
is taken from its parameters (12 * layers * width ** 2), good to about a quarter; shared heads give
a half at most, whole ones 1."""


def loss_case(evidence: Evidence, variant: Variant) -> Case:
    """What a variant loses of its model's 16-bit capability."""
    known = sure_of(variant, evidence.whole(variant))
    count = items_of(variant)
    return Case(evidence.name(variant), evidence.loss(variant), known=known, samples=count)


def loses(rule: str, name: str, said: str, low: float, high: float) -> Rule:
    """The rule that a preset loses between `low` and `high`."""
    band = Band(low, high, said)

    def judge(evidence: Evidence) -> Finding:
        found = [variant for variant in evidence.of(name) if not variant.sixteen_bit]
        return within([loss_case(evidence, variant) for variant in found], band)

    text = f"{name} loses {said}"
    reading = "loss = 1 - composite capability / that of the same model at 16 bits, every model"
    return Rule(rule, GROUP, text, reading, f"tasks at {name} and at 16 bits", judge)


def below(evidence: Evidence, variant: Variant) -> Floats | None:
    """Draws of the best capability that needs at most the bytes of `variant`; None without a
    rival."""
    size = variant.artifact_bytes
    rivals = [
        evidence.capability(one)
        for one in evidence.subjects
        if one.id != variant.id and 0 < one.artifact_bytes <= size and one.capability is not None
    ]
    return np.asarray(np.max(rivals, axis=0)) if rivals else None


def _lead_cases(evidence: Evidence, name: str, sign: float, words: str) -> list[Case]:
    cases = []
    measured = [v for v in evidence.subjects if v.capability is not None]
    for variant in [v for v in measured if preset(v.quant) == name]:
        best = below(evidence, variant)
        if best is not None:
            lead = sign * (evidence.capability(variant) - best)
            known = sure_of(*measured)
            count = items_of(variant)
            told = f"{evidence.name(variant)} {words}"
            cases.append(Case(told, lead, points, known, count))
    return cases


def on_frontier(evidence: Evidence) -> Finding:
    band = Band(-math.inf, NEXT_TO, f"at most {NEXT_TO:g} behind the best as small")
    return within(_lead_cases(evidence, "Q4_K_M", -1.0, "is behind by"), band)


def never_q2k(evidence: Evidence) -> Finding:
    band = Band(-math.inf, 0.0, "never ahead of all as small")
    return within(_lead_cases(evidence, "Q2_K", 1.0, "leads by"), band)


def cliff(evidence: Evidence) -> Finding:
    """The fall from 4 bits to the next below less that from 16 bits to 4, in each model."""
    cases = []
    for four in evidence.of("Q4_K_M"):
        whole, under = evidence.whole(four), _next_below(evidence, four)
        if whole is not None and under is not None:
            kept = evidence.capability(four)
            first, second = evidence.capability(whole) - kept, kept - evidence.capability(under)
            name = f"{four.model}: fall from Q4_K_M to {under.quant} less that from {whole.quant}"
            known = sure_of(whole, four, under)
            count = items_of(four)
            cases.append(Case(name, second - first, points, known, count))
    return within(cases, ABOVE_ZERO)


def _next_below(evidence: Evidence, four: Variant) -> Variant | None:
    """The largest quant of the same model and engine below 4 bits."""
    under = [
        v
        for v in evidence.subjects
        if (v.model, v.backend) == (four.model, four.backend)
        and (nominal_bits(v.quant) or 16) < 4
        and v.capability is not None
    ]
    return max(under, key=lambda v: (v.artifact_bytes, v.id), default=None)


def grouped_query(variant: Variant) -> bool | None:
    """Whether query heads share keys; None where the rows do not have the layers."""
    widths = [layer.key for layer in variant.layers if layer.key]
    if not widths or not variant.parameters:
        return None
    model_width = math.sqrt(variant.parameters / (12 * len(variant.layers)))
    return float(np.median(widths)) < NARROW * model_width


def grouped_better(evidence: Evidence) -> Finding:
    """Mean loss at 4 bits of models without shared heads less that of models with them.

    Models are resampled too (Bayesian bootstrap): a kind is not its single models."""
    kinds: dict[bool, dict[str, Floats]] = {True: {}, False: {}}
    for variant in evidence.of("Q4_K_M") or of_bits(evidence.subjects, 4):
        kind, loss = grouped_query(variant), evidence.loss(variant)
        known = sure_of(variant, evidence.whole(variant))
        if kind is not None and known and not np.isnan(loss).any():
            kinds[kind].setdefault(variant.model, loss)
    shared, whole = kinds[True], kinds[False]
    if min(len(shared), len(whole)) < OF_EACH:
        seen = f"{len(shared)} models with shared heads and {len(whole)} without were measured"
        return Finding(OPEN, f"{seen}; it takes {OF_EACH} of each" if shared or whole else "")
    rng = np.random.default_rng(SEED)
    gain = _mean_of(list(whole.values()), rng) - _mean_of(list(shared.values()), rng)
    name = f"loss of {len(whole)} models without shared heads less that of {len(shared)} with"
    return within([Case(name, gain)], ABOVE_ZERO)


def _mean_of(losses: list[Floats], rng: np.random.Generator) -> Floats:
    weights = rng.dirichlet(np.ones(len(losses)), size=len(losses[0]))
    return np.asarray((weights * np.array(losses).T).sum(axis=1))


RULES = (
    Rule(
        "q4km-frontier", GROUP, "Q4_K_M is on or next to the frontier",
        f"no variant of its size or less is more capable by more than {NEXT_TO:g}",
        "tasks at Q4_K_M and at something as small", on_frontier,
    ),
    loses("loss-q8_0", "Q8_0", "under 1 %", -math.inf, 0.01),
    loses("loss-q6_k", "Q6_K", "1 to 2 %", 0.01, 0.02),
    loses("loss-q5_k_m", "Q5_K_M", "2 to 3 %", 0.02, 0.03),
    loses("loss-q4_k_m", "Q4_K_M", "3 to 5 %", 0.03, 0.05),
    loses("loss-q3_k_m", "Q3_K_M", "7 to 10 %", 0.07, 0.10),
    loses("loss-q2_k", "Q2_K", "15 to 25 %", 0.15, 0.25),
    Rule(
        "never-q2_k", GROUP, "never use Q2_K",
        "contradicted where a Q2_K is more capable than all that is as small; the smallest variant "
        "of all has no such rival and says nothing",
        "tasks at Q2_K and at something as small", never_q2k,
    ),
    Rule(
        "cliff", GROUP, "the cliff starts below Q4",
        "capability falls more from Q4_K_M to the largest quant below 4 bits than from 16 bits to "
        "Q4_K_M, in every model",
        "tasks at 16 bits, at Q4_K_M and below 4 bits", cliff,
    ),
    Rule(
        "gqa", GROUP, "models with grouped-query attention quantize better",
        "mean loss at 4 bits is smaller in models whose query heads share keys (read from the "
        "width of the KV cache); models are resampled too",
        f"tasks at 16 and 4 bits in {OF_EACH} models of either kind, with their KV layers",
        grouped_better,
    ),
)  # fmt: skip
