"""The picks of what one axis ranks, within limits that are common: for tables and JSON."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property

from grid.advice import Advice, Ask
from grid.advice.advice import DECODE
from grid.advice.recommend import AdviceBasis, advice_basis, answer_of
from grid.analysis import Pick, typical_limits
from grid.analysis.axes import AXES, Axis
from grid.analysis.dataset import Dataset
from grid.analysis.labels import disambiguating_labels
from grid.analysis.quality_views import QualityView
from grid.analysis.variant import Variant
from grid.errors import InputError
from grid.results.statistics import Interval


class QualityPicks:
    """What `grid recommend` picks on a hardware class among the variants of a view."""

    def __init__(self, dataset: Dataset, hardware_class: str, view: QualityView) -> None:
        self.view = view
        ask = Ask(hardware=hardware_class, model=view.model or None, imported=bool(view.origin))
        self.basis: AdviceBasis | None = None
        with suppress(InputError):  # nothing can be advised on them
            self.basis = advice_basis(dataset, ask)

    @property
    def axis(self) -> Axis:
        """What ranks the candidates; among them are variants that were measured elsewhere."""
        return AXES[self.basis.candidate_set.axis] if self.basis else self.view.axis

    @cached_property
    def advice(self) -> Advice | None:
        """The answer without further limits; None where there is none."""
        return None if self.basis is None else answer_of(self.basis)

    @cached_property
    def picks(self) -> list[Pick]:
        """The pick within each of the common limits, the one without any first."""
        if self.basis is None:
            return []
        common = typical_limits(self.view.variants, self.axis.name)
        return [self.basis.pick(limits) for limits in common]

    def label(self, variant: Variant) -> str:
        """Model and quant, with what tells it from others that are called alike."""
        words = self._additions.get(variant.id, "")
        return f"{variant.label} ({words})" if words else variant.label

    def rate(self, variant: Variant) -> Interval | None:
        """Decode rate on the class, measured or predicted."""
        candidate = self.basis.candidate_set.candidate(variant) if self.basis else None
        figure = candidate.figures.get(DECODE) if candidate else None
        return None if figure is None else Interval(figure.value, figure.low, figure.high)

    @cached_property
    def _additions(self) -> dict[str, str]:
        if self.basis is None:
            return {}
        return disambiguating_labels(self.basis.candidate_set.posterior.variants)
