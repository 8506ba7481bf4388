"""Which of the variants of one hardware class are of better quality: surely, and by expectation.

CHOICES go by expectation: `expected` has the draws that also know that more bits of one model do
not hurt, and a variant may lose `tolerance` of the best in their mean. Of two such variants of one
model that were scored on one text against one reference, that is better whose KL divergence from 16
bits is surely less by more than the tolerance in nats, unless tasks surely say otherwise.

CLAIMS go by what was measured alone. Less capable is what is surely so, all statements about all
pairs holding together with 95 % (`simultaneous`); further from 16 bits is what is so in over 97.5 %
of the joint draws, paired over the same chunks, by more than the tolerance. A divergence not above
its engine's noise floor counts as none. Divergences of different models never compare.

Without tasks KLD alone is the order of one model's variants, and without KLD the perplexity of one
text.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from grid.analysis.axes import axis_of, estimate, goodness, lacks_uncertainty
from grid.analysis.posterior import Posterior
from grid.analysis.simultaneous import surely_above
from grid.analysis.text_draws import TEXT_AXES, Scope, main_scope, text_scope
from grid.results.statistics.interval import LEVEL, Floats

CAPABILITY, KLD, PERPLEXITY = "capability", "kld_mean", "perplexity"

SURE = 1 - (1 - LEVEL) / 2

TOLERANCE = 0.01
"""Of capability, and in its unit of whatever else ranks: what may be lost for a smaller variant."""

MATERIAL_NAT = TOLERANCE
"""KL divergence, nats a token, below which a difference is too small to choose by: about what Q6_K
costs a model of 7B. By Pinsker's inequality the probabilities of tokens then differ by at most
sqrt(0.01 / 2) = 7 % in total. Measured differences below it stay visible in the figures."""


class QualityOrder:
    """The order of a posterior's variants; methods take indices in it. `axis` is what ranks them:
    capability, else kld_mean or perplexity, of one model only. `tolerance` is in capability, nats,
    or a share of perplexity."""

    def __init__(
        self, posterior: Posterior, axis: str = CAPABILITY, tolerance: float = TOLERANCE
    ) -> None:
        self.posterior, self.axis, self.tolerance = posterior, axis_of(axis), tolerance

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

    @cached_property
    def expected(self) -> Floats:
        """The same with what is known before: what choices are made by."""
        return self.posterior.informed if self.axis.name == CAPABILITY else self.draws

    def losses(self, indices: Sequence[int]) -> dict[int, float]:
        """By index what is expected to be lost by it against the best of them, on the axis; what
        was measured, where its uncertainty is not known."""
        of_all = self.posterior.expected if self.axis.name == CAPABILITY else None
        means = (self.draws.mean(axis=0) if of_all is None else of_all)[list(indices)].tolist()
        return {i: max(means) - mean for i, mean in zip(indices, means, strict=True)}

    def value(self, i: int) -> float:
        """The figure as measured, turned so that more is better; least without one."""
        figure = estimate(self.posterior.variants[i], self.axis)
        if figure is None:
            return -np.inf
        return figure if self.axis.better == "higher" else -figure

    def lack_uncertainty(self, *indices: int) -> bool:
        """True where it is not known of one of them how sure its figure is."""
        return any(lacks_uncertainty(self.posterior.variants[i], self.axis) for i in indices)

    def superiors(self, indices: Sequence[int], best: int) -> dict[int, int | None]:
        """By index of each variant one that is surely better on the axis; None where none is.
        `best` is the one that measured best, which none beats."""
        drawn = self.draws[:, indices].copy()
        drawn[:, [self.lack_uncertainty(i) for i in indices]] = np.nan
        if self.axis.name in TEXT_AXES:
            better = np.array(
                [(drawn > drawn[:, [k]] + self.tolerance).mean(0) for k in range(len(indices))]
            )
            above = better > SURE
        else:
            above = surely_above(drawn)
        above[list(indices).index(best)] = False
        return {i: self._surest(above[k], indices, best) for k, i in enumerate(indices)}

    def _surest(
        self, above: npt.NDArray[np.bool_], indices: Sequence[int], best: int
    ) -> int | None:
        """Of those that are above: the best, else the one that measured most."""
        better = [j for j, over in zip(indices, above, strict=True) if over]
        return best if best in better else max(better, key=self.value, default=None)

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
            and (figures[i] or 0) - (figures[j] or 0) > self.tolerance
        }

    def _same_text(self, i: int, j: int) -> bool:
        scope = text_scope(self.posterior.variants[i], KLD)
        return scope is not None and scope == text_scope(self.posterior.variants[j], KLD)

    def closer(self, indices: Sequence[int]) -> dict[int, int]:
        """By index of each variant that tasks leave open, but of which another of them is surely
        closer to 16 bits, the closest of these. Where they beat each other in a circle, none."""
        variants = self.posterior.variants
        groups: defaultdict[Scope, list[int]] = defaultdict(list)
        for i in indices:
            scope = text_scope(variants[i], KLD)
            if scope is not None and not lacks_uncertainty(variants[i], axis_of(KLD)):
                groups[scope].append(i)
        result: dict[int, int] = {}
        for group in groups.values():
            nats = np.exp(-self.posterior.texts[KLD][:, group])
            from_closest = np.argsort(np.log(nats).mean(axis=0), kind="stable").tolist()
            for place, i in enumerate(group):
                closer = (nats + self.tolerance < nats[:, [place]]).mean(axis=0) > SURE
                rivals = (group[j] for j in from_closest if closer[j])
                rival = next((j for j in rivals if not self._surely_better(i, j)), None)
                if rival is not None:
                    result[i] = rival
        return {} if len(result) == len(indices) else result

    def _surely_better(self, i: int, j: int) -> bool:
        """On the axis."""
        if self.lack_uncertainty(i, j):
            return False
        return bool((self.draws[:, i] > self.draws[:, j]).mean() > SURE)
