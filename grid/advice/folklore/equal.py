"""Rules about which of two models to run in the same memory."""

from __future__ import annotations

import math
from itertools import pairwise

from grid.advice.folklore.evidence import (
    RuleEvidence,
    errors_known,
    largest_below_four,
    least_items,
    same_size,
    with_bits,
)
from grid.advice.folklore.quants import nominal_bits, preset_of
from grid.advice.folklore.rule import Finding, Rule
from grid.advice.folklore.verdict import FIRST_LARGER, Band, Quantity, judge_within
from grid.analysis.figures import signed
from grid.analysis.variant import Variant

GROUP = "same size"

MATH = "math"

LEVELS = ("Q4_K_M", "Q5_K_M", "Q6_K")
"""Levels that guides go up by where memory allows."""

WORTH = 0.01
"""Capability from which a difference is worth its bytes."""

SAME_SIZE = 0.1
"""Part of the size by which two variants may differ and still count as equally large."""


def capability_gain(evidence: RuleEvidence, variant: Variant, rival: Variant) -> Quantity:
    """Capability of a variant minus that of a rival."""
    name = f"{evidence.label(variant)} over {evidence.label(rival)}"
    gain = evidence.capability(variant) - evidence.capability(rival)
    count = least_items(variant, rival)
    subject = f"{evidence.label(variant)} minus {evidence.label(rival)}: capability"
    return Quantity(name, gain, signed, errors_known(variant, rival), count, subject=subject)


def _pairs(small: list[Variant], large: list[Variant]) -> list[tuple[Variant, Variant]]:
    """Pairs of a smaller and a larger model of one family."""
    return [
        (smaller, larger)
        for smaller in small
        for larger in large
        if smaller.family == larger.family and (smaller.parameters or 0) < (larger.parameters or 0)
    ]


def judge_four_over_two(evidence: RuleEvidence) -> Finding:
    four, two = (with_bits(evidence.subjects, bits) for bits in (4, 2))
    return judge_within(
        [
            capability_gain(evidence, small, large)
            for small, large in _pairs(four, two)
            if same_size(small, large, SAME_SIZE)
        ],
        FIRST_LARGER,
    )


def judge_large_four_over_whole(evidence: RuleEvidence) -> Finding:
    """For each smaller model at 16 bits, the largest model whose Q4_K_M needs no more memory."""
    quantities = []
    for small in evidence.where(lambda v: v.sixteen_bit):
        fitting = [
            large
            for _, large in _pairs([small], evidence.of_preset("Q4_K_M"))
            if 0 < large.artifact_bytes <= small.artifact_bytes * (1 + SAME_SIZE)
        ]
        if fitting:
            largest = max(fitting, key=lambda v: (v.parameters or 0, v.id))
            quantities.append(capability_gain(evidence, largest, small))
    return judge_within(quantities, FIRST_LARGER)


def judge_smaller_below_four(evidence: RuleEvidence) -> Finding:
    """For each model that was measured at Q4_K_M: the best smaller model that needs no more bytes
    than its largest quant below 4 bits, over that quant."""
    quantities = []
    for model in dict.fromkeys(v.model for v in evidence.of_preset("Q4_K_M")):
        cut = largest_below_four([v for v in evidence.subjects if v.model == model])
        rivals = [] if cut is None else _rivals(evidence, cut)
        if cut is not None and rivals:
            best = max(rivals, key=lambda v: (v.capability.value if v.capability else 0, v.id))
            quantities.append(capability_gain(evidence, best, cut))
    return judge_within(quantities, FIRST_LARGER)


def _rivals(evidence: RuleEvidence, cut: Variant) -> list[Variant]:
    """Smaller models of the family at Q4_K_M or more bits, no larger in bytes."""
    able = [
        v
        for v in evidence.subjects
        if v.capability is not None
        and 0 < v.artifact_bytes <= cut.artifact_bytes
        and ((nominal_bits(v.quant) or 16) > 4 or preset_of(v.quant) == "Q4_K_M")
    ]
    return [small for small, _ in _pairs(able, [cut])]


def judge_larger_for_math(evidence: RuleEvidence) -> Finding:
    """Pairs as large in bytes: the larger model at fewer bits over the smaller at more, in math."""
    quantities = []
    scored = [v for v in evidence.subjects if MATH in v.classes]
    for small, large in _pairs(scored, scored):
        fewer = (nominal_bits(large.quant) or 16) < (nominal_bits(small.quant) or 16)
        if fewer and same_size(large, small, SAME_SIZE):
            gain = evidence.class_capability(large, MATH) - evidence.class_capability(small, MATH)
            name = f"{evidence.label(large)} over {evidence.label(small)} in {MATH}"
            items = [v.classes[MATH] for v in (large, small)]
            error_known = all(figure.sd is not None for figure in items)
            count = min(figure.n for figure in items)
            subject = f"{evidence.label(large)} minus {evidence.label(small)}: {MATH}"
            quantities.append(Quantity(name, gain, signed, error_known, count, subject=subject))
    return judge_within(quantities, FIRST_LARGER)


def judge_smaller_at_more(evidence: RuleEvidence) -> Finding:
    """Pairs as large in bytes: the smaller model at 6 bits or more over the larger at 3 to 5."""
    precise = evidence.where(lambda v: (nominal_bits(v.quant) or 16) >= 6)
    coarse = evidence.where(lambda v: 3 <= (nominal_bits(v.quant) or 16) <= 5)
    return judge_within(
        [
            capability_gain(evidence, small, large)
            for small, large in _pairs(precise, coarse)
            if same_size(large, small, SAME_SIZE)
        ],
        FIRST_LARGER,
    )


def judge_level_up(evidence: RuleEvidence) -> Finding:
    """What each level up in bits gains, from Q4_K_M on, in each model and engine."""
    ladders = evidence.ladder(LEVELS, lambda v: v.capability is not None)
    quantities = [
        capability_gain(evidence, above, below)
        for rungs in ladders
        for below, above in pairwise(rungs)
    ]
    return judge_within(quantities, Band(WORTH, math.inf, f"gains {WORTH:g} or more"))


RULES = (
    Rule(
        "math-larger", GROUP, "for math take the larger model at fewer bits",
        "difference of capability in math in every pair of one family whose files differ by "
        f"{100 * SAME_SIZE:g} % at most",
        "math of a model and of a larger one at fewer bits, with files of equal size",
        judge_larger_for_math,
    ),
    Rule(
        "smaller-more-bits", GROUP,
        "where quality is critical, a smaller model at more bits beats a larger one of equal size",
        "difference of capability in every pair of one family, 6 bits or more against 3 to 5, "
        f"whose files differ by {100 * SAME_SIZE:g} % at most",
        "tasks of a model at 6 bits or more and of a larger one at 3 to 5, with files of equal "
        "size",
        judge_smaller_at_more,
    ),
    Rule(
        "level-up", GROUP, "with memory to spare, one level up in bits is worth it",
        f"each step of {', '.join(LEVELS)} gains {WORTH:g} of capability or more",
        f"tasks at two of {', '.join(LEVELS)}", judge_level_up,
    ),
    Rule(
        "small-4-large-2", GROUP,
        "at equal size, a smaller model at 4 bits beats a larger one at 2 bits",
        "difference of capability in every pair of one family whose files differ by "
        f"{100 * SAME_SIZE:g} % at most",
        "tasks of a model at 4 bits and of a larger one at 2 bits, with files of equal size",
        judge_four_over_two,
    ),
    Rule(
        "large-q4-small-16", GROUP,
        "the largest model that fits at Q4_K_M beats a smaller one at 16 bits",
        "difference of capability, where the Q4_K_M file is at most 10 % larger than the 16-bit "
        "file",
        "tasks of a model at Q4_K_M and of a smaller one of its family at 16 bits, with files of "
        "equal size",
        judge_large_four_over_whole,
    ),
    Rule(
        "below-q4-smaller", GROUP,
        "if Q4_K_M does not fit, use a smaller model",
        "the most capable smaller model at Q4_K_M or more, no larger in bytes, beats the larger "
        "model's largest quant below 4 bits",
        "tasks of a model at 3 or 2 bits and of a smaller one at 4 or more, in no more bytes",
        judge_smaller_below_four,
    ),
)  # fmt: skip
