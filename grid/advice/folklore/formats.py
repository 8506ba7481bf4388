"""Rules about formats: which way of quantizing to the same bits keeps more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

from grid.advice.folklore.equal import capability_gain
from grid.advice.folklore.evidence import (
    RuleEvidence,
    has_error,
    same_size,
    used_importance_matrix,
)
from grid.advice.folklore.quants import group_of, is_k_quant, is_legacy, nominal_bits, preset_of
from grid.advice.folklore.rule import OPEN, Finding, Rule
from grid.advice.folklore.verdict import FIRST_LARGER, Quantity, judge_within, significant
from grid.analysis.variant import Variant

GROUP = "formats"

LETTERS = (("Q3_K_S", "Q3_K_M", "Q3_K_L"), ("Q4_K_S", "Q4_K_M"), ("Q5_K_S", "Q5_K_M"))

SAME_SIZE = 0.05
"""Part of the size by which two files may differ and still count as of the same size."""


def advantage(evidence: RuleEvidence, variant: Variant, rival: Variant) -> Quantity | None:
    """By how much `variant` keeps more: capability where both have it with its uncertainty, else
    the KL divergence from 16 bits that it has less of, nats; None where both lack both."""
    gain = capability_gain(evidence, variant, rival)
    if gain.measured and gain.error_known:
        return gain
    kld, rival_kld = variant.kld_mean, rival.kld_mean
    if kld is not None and rival_kld is not None:
        first = evidence.normal_draws(kld, "kld", variant.id)
        second = evidence.normal_draws(rival_kld, "kld", rival.id)
        error_known = has_error(kld) and has_error(rival_kld)
        name = f"{gain.name} (nats of KLD less)"
        subject = f"{evidence.label(rival)} minus {evidence.label(variant)}: KLD (nat)"
        return Quantity(name, second - first, significant, error_known, subject=subject)
    return gain if gain.measured else None


def _advantages(evidence: RuleEvidence, pairs: Iterable[tuple[Variant, Variant]]) -> list[Quantity]:
    gains = (advantage(evidence, variant, rival) for variant, rival in pairs)
    return [quantity for quantity in gains if quantity is not None]


def judge_awq_over_gptq(evidence: RuleEvidence) -> Finding:
    """Pairs of one model at 4 bits with groups of one size, across engines."""
    pairs = []
    for model in dict.fromkeys(v.model for v in evidence.subjects):
        awq, gptq = (_of_method(evidence, model, name) for name in ("awq", "gptq"))
        pairs += [(a, g) for a in awq for g in gptq if group_of(a.quant) == group_of(g.quant)]
    quantities = _advantages(evidence, pairs)
    if pairs and not quantities:
        return Finding(
            OPEN,
            "AWQ and GPTQ have rows, but no capability: the chance level is not stated, or no "
            "task was run",
        )
    return judge_within(quantities, FIRST_LARGER)


def _of_method(evidence: RuleEvidence, model: str, method: str) -> list[Variant]:
    return [
        v
        for v in evidence.subjects
        if v.model == model
        and v.quant.lower().startswith(method)
        and (nominal_bits(v.quant) or 4) == 4
    ]


def judge_k_over_legacy(evidence: RuleEvidence) -> Finding:
    pairs = [
        (new, old)
        for old in evidence.where(lambda v: is_legacy(v.quant) and not used_importance_matrix(v))
        for new in evidence.where(lambda v: is_k_quant(v.quant) and not used_importance_matrix(v))
        if (old.model, old.backend) == (new.model, new.backend) and same_size(new, old, SAME_SIZE)
    ]
    return judge_within(_advantages(evidence, pairs), FIRST_LARGER)


def judge_importance_matrix(evidence: RuleEvidence) -> Finding:
    pairs = [
        (with_matrix, without)
        for with_matrix in evidence.where(used_importance_matrix)
        for without in evidence.where(lambda v: not used_importance_matrix(v))
        if (with_matrix.model, with_matrix.backend) == (without.model, without.backend)
        and preset_of(with_matrix.quant) == preset_of(without.quant)
        and (nominal_bits(without.quant) or 16) < 4
    ]
    return judge_within(_advantages(evidence, pairs), FIRST_LARGER)


def judge_letters(evidence: RuleEvidence) -> Finding:
    """S, M and L of one K-quant: each keeps more than the one before."""
    pairs = []
    for letters in LETTERS:
        for rungs in evidence.ladder(letters, _is_scored):
            pairs += [(large, small) for small, large in pairwise(rungs)]
    return judge_within(_advantages(evidence, pairs), FIRST_LARGER)


def _is_scored(variant: Variant) -> bool:
    return variant.capability is not None or variant.kld_mean is not None


def newer_rule(rule: str, newer: str, plain: str, words: str) -> Rule:
    """The rule that an I-quant keeps more than a K-quant of as many bits by name."""

    def judge(evidence: RuleEvidence) -> Finding:
        quantities = []
        for new in evidence.of_preset(newer):
            for old in evidence.of_preset(plain):
                if (new.model, new.backend) == (old.model, old.backend):
                    gain = advantage(evidence, new, old)
                    quantities += [_with_size(gain, new, old)] if gain is not None else []
        return judge_within(quantities, FIRST_LARGER)

    reading = f"{newer} against {plain} of one model: {KEEPS}, every model"
    return Rule(rule, GROUP, f"{newer} is better than {words}", reading,
                f"tasks or texts at {newer} and at {plain} of one model", judge)  # fmt: skip


def _with_size(gain: Quantity, variant: Variant, rival: Variant) -> Quantity:
    """The same, with the part of the rival's bytes that the variant takes."""
    if not variant.artifact_bytes or not rival.artifact_bytes:
        return gain
    share = variant.artifact_bytes / rival.artifact_bytes
    size = f"at {100 * share:.0f} % of its size"
    subject = gain.subject.replace(":", f" ({100 * share:.0f} % of its size):")
    return replace(gain, name=f"{gain.name} {size}", subject=subject)


def judge_aqlm(evidence: RuleEvidence) -> Finding:
    """AQLM against every other way to about 2 bits, of one model."""
    two = evidence.where(lambda v: (nominal_bits(v.quant) or 16) <= 2)
    pairs = [
        (best, rival)
        for best in evidence.where(lambda v: "aqlm" in v.quant.lower())
        for rival in two
        if best.model == rival.model and "aqlm" not in rival.quant.lower()
    ]
    return judge_within(_advantages(evidence, pairs), FIRST_LARGER)


KEEPS = "difference of capability, or of KL divergence from 16 bits where no tasks were run"

RULES = (
    Rule(
        "s-m-l", GROUP, "in a K-quant S keeps less quality than M, and M less than L",
        f"neighbours of {'; '.join(', '.join(names) for names in LETTERS)}: {KEEPS}, every pair",
        "tasks or texts at two sizes (S, M, L) of one K-quant", judge_letters,
    ),
    newer_rule("iq2_xxs-q2", "IQ2_XXS", "Q2_K", "Q2"),
    newer_rule("iq3_xs-q3", "IQ3_XS", "Q3_K_M", "Q3"),
    Rule(
        "aqlm-2", GROUP, "AQLM is best at 2 bits",
        f"AQLM against every other quant of 2 bits or fewer of the model: {KEEPS}, every pair",
        "tasks or texts of AQLM weights and of another 2-bit quant of one model",
        judge_aqlm,
    ),
    Rule(
        "awq-gptq", GROUP, "AWQ beats GPTQ at 4 bits",
        f"pairs of one model and group size: {KEEPS}",
        "tasks or texts of AWQ and GPTQ weights of one model at 4 bits", judge_awq_over_gptq,
    ),
    Rule(
        "k-legacy", GROUP, "K-quants beat legacy quants of the same size",
        f"pairs of one model whose files differ by {100 * SAME_SIZE:g} % at most: {KEEPS}, every "
        "pair",
        "tasks or texts at a K-quant and at Q4_0, Q4_1, Q5_0 or Q5_1 of its size",
        judge_k_over_legacy,
    ),
    Rule(
        "imatrix", GROUP, "importance matrices help below 4 bits",
        f"pairs of one model and preset below 4 bits, with a matrix and without: {KEEPS}, every "
        "pair",
        "tasks or texts at one preset below 4 bits with an importance matrix and without",
        judge_importance_matrix,
    ),
)  # fmt: skip
