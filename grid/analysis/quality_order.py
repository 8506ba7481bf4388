"""Which of the variants of one hardware class are surely of better quality.

THE ORDER. Of two variants that with surely more capability is better. Where that is not sure, and
both are of one model and were scored on one text against one reference, that is better whose KL
divergence from 16 bits is surely less by more than `MATERIAL_NAT`. Else they tie. "Surely" is in
over 97.5 % of the joint draws, in which variants are paired over the same items and the same chunks
of text. A divergence not above its engine's noise floor counts as none. Divergences of different
models never compare.

Without tasks KLD alone is the order of one model's variants, and without KLD the perplexity of one
text.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from grid.analysis.axes import axis_of, estimate, goodness, lacks_uncertainty
from grid.analysis.posterior import Posterior
from grid.analysis.text_draws import TEXT_AXES, Scope, main_scope, text_scope
from grid.results.statistics.interval import LEVEL, Floats

CAPABILITY, KLD, PERPLEXITY = "capability", "kld_mean", "perplexity"

SURE = 1 - (1 - LEVEL) / 2

MATERIAL_NAT = 0.01
"""KL divergence, nats a token, below which a difference is too small to choose by: about what Q6_K
costs a model of 7B. By Pinsker's inequality the probabilities of tokens then differ by at most
sqrt(0.01 / 2) = 7 % in total. Measured differences below it stay visible in the figures."""


@dataclass(frozen=True, slots=True)
class Superior:
    """A variant that is surely better, by its place in the posterior, and the axis on which it
    is."""

    place: int
    axis: str


class QualityOrder:
    """The order of a posterior's variants; methods take indices in it. `axis` is what ranks them:
    capability, else kld_mean or perplexity, of one model only."""

    def __init__(self, posterior: Posterior, axis: str = CAPABILITY) -> None:
        self.posterior, self.axis = posterior, axis_of(axis)

    @cached_property
    def measured(self) -> npt.NDArray[np.bool_]:
        """Variants with a figure on the axis, [variants]; on a text axis those on the text of most,
        which are of one model."""
        variants, axis = self.posterior.variants, self.axis
        if axis.name in TEXT_AXES:
            scope = main_scope(variants, axis.name)
            able = [scope is not None and text_scope(v, axis.name) == scope for v in variants]
        else:
            able = [estimate(variant, axis) is not None for variant in variants]
        return np.array(able, dtype=bool)

    @cached_property
    def draws(self) -> Floats:
        """Draws on the axis in which more is better, [draws, variants]; KLD in nats, since what is
        material is a number of nats."""
        drawn = goodness(self.posterior, self.axis)
        return -np.exp(-drawn) if self.axis.name == KLD else drawn

    def value(self, i: int) -> float:
        """The figure as measured, turned so that more is better; least without one."""
        figure = estimate(self.posterior.variants[i], self.axis)
        if figure is None:
            return -np.inf
        return figure if self.axis.better == "higher" else -figure

    def lack_uncertainty(self, *indices: int) -> bool:
        """True where it is not known of one of them how sure its figure is."""
        return any(lacks_uncertainty(self.posterior.variants[i], self.axis) for i in indices)

    def superiors(self, indices: Sequence[int], best: int) -> dict[int, Superior | None]:
        """By index of each variant one that surely beats it; None where none does. `best` is the
        one that measured best on the axis, which none beats on it."""
        on_axis = self._beaten(self.draws[:, indices], indices, best)
        if self.axis.name in TEXT_AXES:
            return on_axis
        result = self._beaten_in_divergence(indices, on_axis)
        if None not in result.values():
            # They beat each other in a circle: those that the axis leaves unbeaten compare alone.
            unbeaten = [i for i in indices if on_axis[i] is None]
            result = on_axis | self._beaten_in_divergence(unbeaten, on_axis)
        return result

    def held_back(self, indices: Sequence[int]) -> set[int]:
        """Those of tied variants whose divergence measured more than that of another of them, where
        it is not known how sure that is."""
        divergence = axis_of(KLD)
        variants = self.posterior.variants
        figures = {i: estimate(variants[i], divergence) for i in indices}
        unsure = {i for i in indices if lacks_uncertainty(variants[i], divergence)}
        if not unsure:
            return set()
        return {
            i
            for i in indices
            for j in indices
            if {i, j} & unsure
            and self._same_text(i, j)
            and (figures[i] or 0) - (figures[j] or 0) > MATERIAL_NAT
        }

    def _same_text(self, i: int, j: int) -> bool:
        scope = text_scope(self.posterior.variants[i], KLD)
        return scope is not None and scope == text_scope(self.posterior.variants[j], KLD)

    def _beaten(
        self, drawn: Floats, indices: Sequence[int], best: int
    ) -> dict[int, Superior | None]:
        """On the axis: by the best if that is surely better, else by the surest."""
        margin = MATERIAL_NAT if self.axis.name == KLD else 0.0
        unknown = np.array([self.lack_uncertainty(i) for i in indices], dtype=bool)
        place_of_best = list(indices).index(best)
        by_best = (drawn[:, [place_of_best]] > drawn + margin).mean(axis=0)
        by_best[unknown | unknown[place_of_best]] = 0.0
        result: dict[int, Superior | None] = {}
        for place, i in enumerate(indices):
            if by_best[place] > SURE:
                result[i] = Superior(best, self.axis.name)
                continue
            better = (drawn > drawn[:, [place]] + margin).mean(axis=0)
            better[unknown | unknown[place]] = 0.0
            surest = int(np.argmax(better))
            beaten = better[surest] > SURE and i != best
            result[i] = Superior(indices[surest], self.axis.name) if beaten else None
        return result

    def _beaten_in_divergence(
        self, indices: Sequence[int], on_axis: dict[int, Superior | None]
    ) -> dict[int, Superior | None]:
        """The same with those that the axis leaves unbeaten, but of which a variant that they tie
        with is surely closer to 16 bits: the closest of these."""
        variants = self.posterior.variants
        groups: defaultdict[Scope, list[int]] = defaultdict(list)
        for i in indices:
            scope = text_scope(variants[i], KLD)
            if scope is not None and not lacks_uncertainty(variants[i], axis_of(KLD)):
                groups[scope].append(i)
        result = {i: on_axis[i] for i in indices}
        for group in [group for group in groups.values() if len(group) > 1]:
            nats = np.exp(-self.posterior.texts[KLD][:, group])
            from_closest = np.argsort(np.log(nats).mean(axis=0), kind="stable").tolist()
            for place, i in enumerate(group):
                if result[i] is None:
                    closer = (nats + MATERIAL_NAT < nats[:, [place]]).mean(axis=0) > SURE
                    rivals = (group[j] for j in from_closest if closer[j])
                    rival = next((j for j in rivals if not self._surely_better(i, j)), None)
                    result[i] = None if rival is None else Superior(rival, KLD)
        return result

    def _surely_better(self, i: int, j: int) -> bool:
        """On the axis."""
        if self.lack_uncertainty(i, j):
            return False
        drawn = goodness(self.posterior, self.axis)
        return bool((drawn[:, i] > drawn[:, j]).mean() > SURE)
