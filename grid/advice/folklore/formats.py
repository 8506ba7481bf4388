"""Rules about formats: which way of quantizing to the same bits keeps more."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from grid.advice.folklore.evidence import Evidence, has_error, items_of, same_size, sure_of, weighed
from grid.advice.folklore.quants import group_of, is_k_quant, is_legacy, nominal_bits, preset
from grid.advice.folklore.rule import OPEN, Finding, Rule
from grid.advice.folklore.verdict import MORE, Case, plain, points, within
from grid.analysis.variant import Variant

GROUP = "formats"

SAME_SIZE = 0.05
"""Part of the size by which two files may differ and still count as of the same size."""


def better(evidence: Evidence, one: Variant, other: Variant) -> Case | None:
    """By how much `one` keeps more: capability where both have it with its uncertainty, else the KL
    divergence from 16 bits that it has less of, nats; None where both lack both."""
    name = f"{evidence.name(one)} over {evidence.name(other)}"
    gain = evidence.capability(one) - evidence.capability(other)
    tasks = not np.isnan(gain).any()
    count = items_of(one, other)
    if tasks and sure_of(one, other):
        return Case(name, gain, points, True, count)
    if one.kld_mean is not None and other.kld_mean is not None:
        first, second = (
            evidence.normal(v.kld_mean, "kld", v.id) for v in (one, other) if v.kld_mean
        )
        known = all(v.kld_mean is not None and has_error(v.kld_mean) for v in (one, other))
        return Case(f"{name} (nats of KLD less)", second - first, plain, known)
    return Case(name, gain, points, False) if tasks else None


def _cases(evidence: Evidence, pairs: Iterable[tuple[Variant, Variant]]) -> list[Case]:
    found = (better(evidence, one, other) for one, other in pairs)
    return [case for case in found if case is not None]


def awq_over_gptq(evidence: Evidence) -> Finding:
    """Pairs of one model at 4 bits with groups of one size, across engines."""
    pairs = []
    for model in dict.fromkeys(v.model for v in evidence.subjects):
        awq, gptq = (_of_method(evidence, model, name) for name in ("awq", "gptq"))
        pairs += [(a, g) for a in awq for g in gptq if group_of(a.quant) == group_of(g.quant)]
    cases = _cases(evidence, pairs)
    if pairs and not cases:
        return Finding(
            OPEN,
            "AWQ and GPTQ are there, without a capability: the level of guessing is not stated, or "
            "no task was asked",
        )
    return within(cases, MORE)


def _of_method(evidence: Evidence, model: str, method: str) -> list[Variant]:
    return [
        v
        for v in evidence.subjects
        if v.model == model
        and v.quant.lower().startswith(method)
        and (nominal_bits(v.quant) or 4) == 4
    ]


def k_over_legacy(evidence: Evidence) -> Finding:
    pairs = [
        (new, old)
        for old in evidence.where(lambda v: is_legacy(v.quant) and not weighed(v))
        for new in evidence.where(lambda v: is_k_quant(v.quant) and not weighed(v))
        if (old.model, old.backend) == (new.model, new.backend) and same_size(new, old, SAME_SIZE)
    ]
    return within(_cases(evidence, pairs), MORE)


def matrix_helps(evidence: Evidence) -> Finding:
    pairs = [
        (with_matrix, without)
        for with_matrix in evidence.where(weighed)
        for without in evidence.where(lambda v: not weighed(v))
        if (with_matrix.model, with_matrix.backend) == (without.model, without.backend)
        and preset(with_matrix.quant) == preset(without.quant)
        and (nominal_bits(without.quant) or 16) < 4
    ]
    return within(_cases(evidence, pairs), MORE)


KEEPS = "difference of capability, or of KL divergence from 16 bits where tasks were not asked"

RULES = (
    Rule(
        "awq-gptq", GROUP, "AWQ beats GPTQ at 4 bits",
        f"pairs of one model and group size: {KEEPS}",
        "tasks or texts with AWQ and GPTQ weights of one model at 4 bits", awq_over_gptq,
    ),
    Rule(
        "k-legacy", GROUP, "K-quants beat legacy ones of the same size",
        f"pairs of one model whose files differ by {100 * SAME_SIZE:g} % at most: {KEEPS}, every "
        "pair",
        "tasks or texts at a K-quant and at Q4_0, Q4_1, Q5_0 or Q5_1 of its size", k_over_legacy,
    ),
    Rule(
        "imatrix", GROUP, "importance matrices help below 4 bits",
        f"pairs of one model and preset below 4 bits, with a matrix and without: {KEEPS}, every "
        "pair",
        "tasks or texts at one preset below 4 bits with an importance matrix and without",
        matrix_helps,
    ),
)  # fmt: skip
