"""How close a pick is to the 16 bits of its model."""

from __future__ import annotations

import numpy as np

from grid.advice.advice import (
    CAPABILITY,
    KLD,
    MEASURED_ON_SIMILAR,
    PERPLEXITY,
    PUBLISHED,
    Advice,
    Candidate,
)
from grid.advice.candidates import CandidateSet
from grid.advice.quality_change import interval_of_draws
from grid.analysis import Pick
from grid.analysis.figures import divergence, number, share
from grid.analysis.limits import quantity_draws, sixteen_bit_of
from grid.results.statistics import Interval


def share_of_sixteen_bits(candidate_set: CandidateSet, pick: Pick) -> Interval | None:
    """The pick's capability over that of the same model at 16 bits, with the 95 % interval of joint
    draws; None without a pick, without 16 bits, and where these are not surely above chance."""
    posterior = candidate_set.posterior
    if pick.variant is None or pick.variant.capability is None:
        return None
    whole = sixteen_bit_of(posterior.variants, pick.variant)
    drawn = quantity_draws(posterior, "min_share")[:, posterior.index[pick.variant.id]]
    if whole is None or whole.capability is None or np.isnan(drawn).any():
        return None
    value = pick.variant.capability.value / whole.capability.value
    unknown = pick.variant.lacks_uncertainty or whole.lacks_uncertainty
    return interval_of_draws(value, drawn, unknown)


def closeness_text(advice: Advice) -> str:
    """`97 % of the 16-bit capability (94 to 101 %), KLD 0.0013 nat`, or without tasks `KLD 0.0093
    nat, same next token as 16 bits in 94 %`; says so where 16 bits were not measured. Empty without
    a pick."""
    pick = advice.pick
    if pick is None:
        return ""
    if pick.variant.sixteen_bit:
        return "these are the 16 bits"
    parts = _share_parts(advice.share)
    parts += _text_parts(pick, with_tokens=not parts)
    if not parts:
        return "not measured: no 16 bits to compare with"
    return ", ".join([*parts, *_source_parts(pick)])


def _source_parts(pick: Candidate) -> list[str]:
    """Where the quality was measured, if not on hardware that computes alike."""
    figure = pick.figures.get(CAPABILITY) or pick.figures.get(KLD) or pick.figures.get(PERPLEXITY)
    if figure is None:
        return []
    if figure.evidence.kind == PUBLISHED:
        return ["third-party"]
    elsewhere = figure.evidence.kind == MEASURED_ON_SIMILAR
    alike = figure.evidence.text.startswith(MEASURED_ON_SIMILAR)
    return ["measured on other hardware"] if elsewhere and not alike else []


WIDEST = 0.5
"""Width of a share's interval above which it says nothing."""


def _share_parts(ratio: Interval | None) -> list[str]:
    if ratio is None:
        return []
    ends = ""
    if ratio.low is not None and ratio.high is not None:
        if ratio.high - ratio.low > WIDEST:
            return []
        ends = f" ({100 * ratio.low:.0f} to {100 * ratio.high:.0f} %)"
    return [f"{100 * ratio.value:.0f} % of the 16-bit capability{ends}"]


def _text_parts(pick: Candidate, with_tokens: bool) -> list[str]:
    """What a text says: of KL divergence, else of perplexity."""
    variant = pick.variant
    if variant.kld_mean is None:
        figure = variant.perplexity
        return [] if figure is None else [f"perplexity {number(figure.value, 5)}"]
    if variant.matches_16_bits:
        return ["no measurable difference from 16 bits"]
    parts = [f"KLD {divergence(variant.kld_mean.value)}"]
    if with_tokens and variant.same_top1 is not None:
        parts.append(f"same next token as 16 bits in {share(variant.same_top1.value)}")
    return parts
