"""Rules about what a quant loses of the 16-bit capability."""

from __future__ import annotations

import math

import numpy as np

from grid.advice.folklore.evidence import (
    RuleEvidence,
    errors_known,
    largest_below_four,
    least_items,
    with_bits,
)
from grid.advice.folklore.quants import preset_of
from grid.advice.folklore.rule import OPEN, Finding, Rule
from grid.advice.folklore.verdict import (
    FIRST_LARGER,
    Band,
    Quantity,
    interval_text,
    judge_within,
)
from grid.analysis.figures import score, signed
from grid.analysis.posterior import SEED
from grid.analysis.variant import Variant
from grid.results.statistics.interval import Floats
from grid.units import count_of

GROUP = "loss"

NEXT_TO = 0.02
"""Capability below the best of its size at which a variant is still next to the frontier."""

OF_EACH = 3
"""Models of each kind of attention below which a kind cannot be distinguished from its models."""

NARROW = 0.6
"""Width of a layer's keys over that of the model below which query heads share keys. The model's
is taken from its parameters (12 * layers * width ** 2), good to about a quarter; shared heads give
a half at most, whole ones 1."""


def loss_quantity(evidence: RuleEvidence, variant: Variant) -> Quantity:
    """What a variant loses of its model's 16-bit capability."""
    return Quantity(
        evidence.label(variant),
        evidence.loss(variant),
        subject=f"{evidence.label(variant)} loses",
        error_known=errors_known(variant, evidence.sixteen_bit(variant)),
        samples=least_items(variant),
    )


def loss_rule(rule: str, preset: str, claim: str, low: float, high: float) -> Rule:
    """The rule that a preset loses between `low` and `high`."""
    band = Band(low, high, claim)

    def judge(evidence: RuleEvidence) -> Finding:
        variants = [variant for variant in evidence.of_preset(preset) if not variant.sixteen_bit]
        return judge_within([loss_quantity(evidence, variant) for variant in variants], band)

    text = f"{preset} loses {claim}"
    reading = "loss = 1 - capability / capability of the same model at 16 bits, in every model"
    return Rule(rule, GROUP, text, reading, f"tasks at {preset} and at 16 bits", judge)


def best_as_small(evidence: RuleEvidence, variant: Variant) -> Floats | None:
    """Draws of the best capability of others that need at most the bytes of `variant` [draws];
    None without any."""
    size = variant.artifact_bytes
    rivals = evidence.where(
        lambda v: v.id != variant.id and 0 < v.artifact_bytes <= size and v.capability is not None
    )
    capabilities = [evidence.capability(rival) for rival in rivals]
    return np.asarray(np.max(capabilities, axis=0)) if capabilities else None


def _lead_quantities(evidence: RuleEvidence, name: str, sign: float, words: str) -> list[Quantity]:
    quantities = []
    measured = [v for v in evidence.subjects if v.capability is not None]
    for variant in [v for v in measured if preset_of(v.quant) == name]:
        best = best_as_small(evidence, variant)
        if best is not None:
            lead = sign * (evidence.capability(variant) - best)
            error_known = errors_known(*measured)
            count = least_items(variant)
            name = f"{evidence.label(variant)} {words}"
            text = "" if np.isnan(lead).any() else _lead_text(evidence.label(variant), sign * lead)
            quantities.append(Quantity(name, lead, signed, error_known, count, text=text))
    return quantities


def _lead_text(label: str, lead: Floats) -> str:
    """`base Q4_K_M trails the best of its size by 0.012 (-0.003 to 0.031)`."""
    ahead = float(np.median(lead)) > 0
    by = lead if ahead else -lead
    low, middle, high = (float(value) for value in np.quantile(by, [0.025, 0.5, 0.975]))
    verb = "leads" if ahead else "trails"
    text = f"{label} {verb} the best of its size or less by {score(middle)}"
    return f"{text} {interval_text(low, high, score)}" if high > low else text


def judge_frontier(evidence: RuleEvidence) -> Finding:
    band = Band(-math.inf, NEXT_TO, f"behind the best of its size by {NEXT_TO:g} at most")
    return judge_within(_lead_quantities(evidence, "Q4_K_M", -1.0, "is behind by"), band)


def judge_never_q2k(evidence: RuleEvidence) -> Finding:
    band = Band(-math.inf, 0.0, "never the best of its size")
    return judge_within(_lead_quantities(evidence, "Q2_K", 1.0, "leads by"), band)


def judge_cliff(evidence: RuleEvidence) -> Finding:
    """The fall from 4 bits to the next below less that from 16 bits to 4, in each model."""
    quantities = []
    for four in evidence.of_preset("Q4_K_M"):
        reference = evidence.sixteen_bit(four)
        place = (four.model, four.backend)
        under = largest_below_four([v for v in evidence.subjects if (v.model, v.backend) == place])
        if reference is not None and under is not None:
            four_bit = evidence.capability(four)
            first = evidence.capability(reference) - four_bit
            second = four_bit - evidence.capability(under)
            name = (
                f"{four.model}: fall from Q4_K_M to {under.quant} less that from {reference.quant}"
            )
            error_known = errors_known(reference, four, under)
            count = least_items(four)
            falls = f"{four.model}: fall from Q4_K_M to {under.quant} minus fall from"
            subject = f"{falls} {reference.quant} to Q4_K_M"
            quantities.append(
                Quantity(name, second - first, signed, error_known, count, subject=subject)
            )
    return judge_within(quantities, FIRST_LARGER)


def uses_grouped_query(variant: Variant) -> bool | None:
    """Whether query heads share keys; None where the rows do not have the layers."""
    widths = [layer.key for layer in variant.layers if layer.key]
    if not widths or not variant.parameters:
        return None
    model_width = math.sqrt(variant.parameters / (12 * len(variant.layers)))
    return float(np.median(widths)) < NARROW * model_width


def judge_grouped_query(evidence: RuleEvidence) -> Finding:
    """Mean loss at 4 bits of models without shared heads less that of models with them.

    Models are resampled too (Bayesian bootstrap): a kind is not its single models."""
    kinds: dict[bool, dict[str, Floats]] = {True: {}, False: {}}
    for variant in evidence.of_preset("Q4_K_M") or with_bits(evidence.subjects, 4):
        kind, loss = uses_grouped_query(variant), evidence.loss(variant)
        error_known = errors_known(variant, evidence.sixteen_bit(variant))
        if kind is not None and error_known and not np.isnan(loss).any():
            kinds[kind].setdefault(variant.model, loss)
    shared, unshared = kinds[True], kinds[False]
    if min(len(shared), len(unshared)) < OF_EACH:
        counts = f"Measured: {count_of(len(shared), 'model')} with grouped-query attention and"
        text = f"{counts} {len(unshared)} without. The rule needs {OF_EACH} of each"
        return Finding(OPEN, text if shared or unshared else "")
    rng = np.random.default_rng(SEED)
    gain = _resampled_mean(list(unshared.values()), rng) - _resampled_mean(
        list(shared.values()), rng
    )
    name = f"loss of {len(unshared)} models without shared heads less that of {len(shared)} with"
    subject = (
        f"mean loss of {len(unshared)} models without grouped-query attention minus that of "
        f"{len(shared)} with it"
    )
    return judge_within([Quantity(name, gain, subject=subject)], FIRST_LARGER)


def _resampled_mean(losses: list[Floats], rng: np.random.Generator) -> Floats:
    weights = rng.dirichlet(np.ones(len(losses)), size=len(losses[0]))
    return np.asarray((weights * np.array(losses).T).sum(axis=1))


RULES = (
    Rule(
        "q4km-frontier", GROUP, "Q4_K_M is one of the best trade-offs",
        f"no variant of its size or less is more capable by over {NEXT_TO:g}",
        "tasks at Q4_K_M and of a variant that is no larger", judge_frontier,
    ),
    loss_rule("loss-q8_0", "Q8_0", "under 1 %", -math.inf, 0.01),
    loss_rule("loss-q6_k", "Q6_K", "1 to 2 %", 0.01, 0.02),
    loss_rule("loss-q5_k_m", "Q5_K_M", "2 to 3 %", 0.02, 0.03),
    loss_rule("loss-q4_k_m", "Q4_K_M", "3 to 5 %", 0.03, 0.05),
    loss_rule("loss-q4_0", "Q4_0", "5 to 7 %", 0.05, 0.07),
    loss_rule("loss-q3_k_m", "Q3_K_M", "7 to 10 %", 0.07, 0.10),
    loss_rule("loss-q2_k", "Q2_K", "15 to 25 %", 0.15, 0.25),
    Rule(
        "never-q2_k", GROUP, "never use Q2_K",
        "contradicted where a Q2_K is more capable than every variant of its size or less; the "
        "smallest variant has no such rival and decides nothing",
        "tasks at Q2_K and of a variant that is no larger", judge_never_q2k,
    ),
    Rule(
        "cliff", GROUP, "quality falls steeply below Q4",
        "capability falls more from Q4_K_M to the largest quant below 4 bits than from 16 bits to "
        "Q4_K_M, in every model",
        "tasks at 16 bits, at Q4_K_M and below 4 bits", judge_cliff,
    ),
    Rule(
        "gqa", GROUP, "models with grouped-query attention quantize better",
        "mean loss at 4 bits is smaller in models whose query heads share keys (known from the "
        "width of the KV cache); models are resampled too",
        f"tasks at 16 and 4 bits of {OF_EACH} models of either kind, with the widths of their KV "
        "cache",
        judge_grouped_query,
    ),
)  # fmt: skip
