"""Rules about which of two models to run in the same memory."""

from __future__ import annotations

from grid.advice.folklore.evidence import Evidence, items_of, of_bits, same_size, sure_of
from grid.advice.folklore.quants import nominal_bits, preset
from grid.advice.folklore.rule import Finding, Rule
from grid.advice.folklore.verdict import MORE, Case, points, within
from grid.analysis.variant import Variant

GROUP = "same size"

SAME_SIZE = 0.1
"""Part of the size by which two variants may differ and still count as equally large."""


def _over(evidence: Evidence, one: Variant, other: Variant) -> Case:
    name = f"{evidence.name(one)} over {evidence.name(other)}"
    gain = evidence.capability(one) - evidence.capability(other)
    count = items_of(one, other)
    return Case(name, gain, points, sure_of(one, other), count)


def _pairs(small: list[Variant], large: list[Variant]) -> list[tuple[Variant, Variant]]:
    """A smaller and a larger model of one family."""
    return [
        (one, other)
        for one in small
        for other in large
        if one.family == other.family and (one.parameters or 0) < (other.parameters or 0)
    ]


def four_over_two(evidence: Evidence) -> Finding:
    four, two = (of_bits(evidence.subjects, bits) for bits in (4, 2))
    return within(
        [
            _over(evidence, small, large)
            for small, large in _pairs(four, two)
            if same_size(small, large, SAME_SIZE)
        ],
        MORE,
    )


def large_four_over_whole(evidence: Evidence) -> Finding:
    """For each smaller model at 16 bits, the largest model whose Q4_K_M needs no more memory."""
    cases = []
    for small in evidence.where(lambda v: v.sixteen_bit):
        fitting = [
            large
            for _, large in _pairs([small], evidence.of("Q4_K_M"))
            if 0 < large.artifact_bytes <= small.artifact_bytes * (1 + SAME_SIZE)
        ]
        if fitting:
            largest = max(fitting, key=lambda v: (v.parameters or 0, v.id))
            cases.append(_over(evidence, largest, small))
    return within(cases, MORE)


def smaller_below_four(evidence: Evidence) -> Finding:
    """Where a model is too large at Q4_K_M: the best that is as small, of a smaller model, over the
    largest quant below 4 bits of the model itself."""
    cases = []
    for model in dict.fromkeys(v.model for v in evidence.of("Q4_K_M")):
        under = [
            v
            for v in evidence.subjects
            if v.model == model and (nominal_bits(v.quant) or 16) < 4 and v.capability is not None
        ]
        cut = max(under, key=lambda v: (v.artifact_bytes, v.id), default=None)
        rivals = [] if cut is None else _rivals(evidence, cut)
        if cut is not None and rivals:
            best = max(rivals, key=lambda v: (v.capability.value if v.capability else 0, v.id))
            cases.append(_over(evidence, best, cut))
    return within(cases, MORE)


def _rivals(evidence: Evidence, cut: Variant) -> list[Variant]:
    """Smaller models of the family at Q4_K_M or more bits, no larger in bytes."""
    able = [
        v
        for v in evidence.subjects
        if v.capability is not None
        and 0 < v.artifact_bytes <= cut.artifact_bytes
        and ((nominal_bits(v.quant) or 16) > 4 or preset(v.quant) == "Q4_K_M")
    ]
    return [small for small, _ in _pairs(able, [cut])]


RULES = (
    Rule(
        "small-4-large-2", GROUP,
        "at equal size a smaller model at 4 bits beats a larger one at 2",
        f"pairs of one family whose files differ by {100 * SAME_SIZE:g} % at most: difference of "
        "capability, every pair",
        "tasks at 4 bits of a model and at 2 bits of a larger one, of about one size",
        four_over_two,
    ),
    Rule(
        "large-q4-small-16", GROUP,
        "the largest model that fits at Q4_K_M beats a smaller one at 16 bits",
        "the larger file is at most 10 % larger than the 16-bit one: difference of capability",
        "tasks at Q4_K_M of a model and at 16 bits of a smaller one of its family, as large",
        large_four_over_whole,
    ),
    Rule(
        "below-q4-smaller", GROUP,
        "with less memory than Q4_K_M takes, use a smaller model",
        "the most capable smaller model at Q4_K_M or more, no larger in bytes, beats the largest "
        "quant below 4 bits of the larger one",
        "tasks at 3 or 2 bits of a model and at 4 or more of a smaller one, as small",
        smaller_below_four,
    ),
)  # fmt: skip
