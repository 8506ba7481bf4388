"""What is clearly smaller or clearly faster than a pick, and what of its quality that loses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grid.advice.advice import Candidate, Compromise
from grid.advice.alternatives import variants_within_limits
from grid.advice.candidates import CandidateSet
from grid.advice.quality_change import (
    QualityChange,
    excludes_zero,
    interval_of_draws,
    quality_change,
)
from grid.analysis import Pick, Variant
from grid.analysis.figures import divergence, number
from grid.analysis.quality_order import CAPABILITY, KLD, MATERIAL_NAT
from grid.results.statistics import Interval

CLEARLY_SMALLER = 0.75
"""Bytes over the pick's, up to which a variant counts as clearly smaller."""

CLEARLY_FASTER = 1.1
"""Decode rate over the pick's that all of the 95 % interval must be above."""


@dataclass(frozen=True)
class CompromiseSearch:
    """Searches what meets the limits for compromises with the pick, which must be there."""

    candidate_set: CandidateSet
    pick: Pick
    variant: Variant

    def smaller(self) -> Compromise | None:
        """The best of those with at most 3/4 of the pick's bytes, or None."""
        most = CLEARLY_SMALLER * self.variant.artifact_bytes
        return self._best({v.id for v in self._rivals() if 0 < v.artifact_bytes <= most})

    def faster(self) -> Compromise | None:
        """The best of those that surely decode over 1.1 times as fast, or None."""
        return self._best({v.id for v in self._rivals() if self._clearly_faster(v)})

    def _rivals(self) -> list[Variant]:
        return variants_within_limits(self.pick)[1:]

    def _clearly_faster(self, variant: Variant) -> bool:
        ratio = self._speed(variant)
        return ratio is not None and (ratio.low or 0.0) > CLEARLY_FASTER

    def _speed(self, variant: Variant) -> Interval | None:
        """Decode rate of a variant over the pick's, from joint draws."""
        posterior = self.candidate_set.posterior
        logs = posterior.rates["decode_tps"]
        mine, picked = (logs[:, posterior.index[v.id]] for v in (variant, self.variant))
        with np.errstate(over="ignore"):
            ratios = np.exp(mine - picked)
        if not np.isfinite(ratios).all():
            return None
        return interval_of_draws(float(np.median(ratios)), ratios, unknown=False)

    def _best(self, ids: set[str]) -> Compromise | None:
        """The pick among variants: by the same decision as the pick of all."""
        variant = self.candidate_set.picked_among(ids) if ids else None
        choice = self.candidate_set.candidate(variant)
        return None if choice is None else self._compromise(choice)

    def _compromise(self, choice: Candidate) -> Compromise:
        axis = self.candidate_set.axis
        change = quality_change(self.candidate_set.posterior, axis, choice.variant, self.variant)
        size = choice.variant.artifact_bytes / (self.variant.artifact_bytes or np.nan)
        text = _loss_text(axis, choice.variant, self.variant, change)
        return Compromise(
            choice,
            None if np.isnan(size) else size,
            self._speed(choice.variant),
            change.capability,
            change.kld,
            text,
        )


def find_compromises(
    candidate_set: CandidateSet, pick: Pick
) -> tuple[Compromise | None, Compromise | None]:
    """The clearly smaller and the clearly faster choice; None where there is no such one."""
    if pick.variant is None:
        return None, None
    search = CompromiseSearch(candidate_set, pick, pick.variant)
    return search.smaller(), search.faster()


def _loss_text(axis: str, variant: Variant, pick: Variant, change: QualityChange) -> str:
    """`capability 0.089 lower (0.061 to 0.118)`, `KLD 0.134 nat against 0.00925`. KLD stands
    beside capability where it surely differs and capability does not; first, where it differs by
    what matters."""
    if axis == KLD:
        return _kld_text(variant, pick)
    if axis != CAPABILITY or change.capability is None:
        mine, picked = (v.perplexity.value if v.perplexity else None for v in (variant, pick))
        return f"perplexity {number(mine, 5)} against {number(picked, 5)}"
    kld, text = change.kld, capability_text(change.capability)
    if excludes_zero(change.capability) or kld is None or not excludes_zero(kld):
        return text
    if abs(kld.value) > MATERIAL_NAT:
        return f"{_kld_text(variant, pick)}; tasks cannot tell them apart"
    return f"{text}; {_kld_text(variant, pick)}"


def _kld_text(variant: Variant, pick: Variant) -> str:
    mine, picked = (v.kld_mean.value if v.kld_mean else None for v in (variant, pick))
    return f"KLD {divergence(mine)} against {number(picked)}"


def capability_text(change: Interval) -> str:
    """A change of capability: `capability 0.089 lower (0.061 to 0.118)`."""
    side = "lower" if change.value < 0 else "higher"
    text = f"capability {abs(change.value):.3f} {side}"
    if change.low is None or change.high is None:
        return f"{text}, how sure is not known"
    if not excludes_zero(change):
        return f"no sure difference in capability ({change.low:+.3f} to {change.high:+.3f})"
    low, high = sorted((abs(change.low), abs(change.high)))
    return f"{text} ({low:.3f} to {high:.3f})"
