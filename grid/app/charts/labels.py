"""Names of variants on charts: what tells each from the others, and no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape

from grid.analysis import Variant
from grid.analysis.labels import disambiguating_labels
from grid.app.charts.placing import text_width
from grid.models.display_names import shorten, visible


def inert(text: str) -> str:
    """A stranger's text for a chart, which takes some tags for markup: it shows as it is."""
    return escape(visible(text), quote=False)


def fitting(text: str, width: float) -> str:
    """A stranger's name for a chart, shortened in the middle to a width in px at 12 px."""
    name = visible(text)
    forms = (shorten(name, letters) for letters in range(len(name), 1, -1))
    return escape(next((form for form in forms if text_width(form) <= width), ""), quote=False)


@dataclass(frozen=True)
class Labels:
    """`full(variant)` names model and quant, `short(variant)` the quant; either with the engine and
    the options where another variant would be called the same."""

    variants: Sequence[Variant]

    @cached_property
    def _additions(self) -> Mapping[str, str]:
        return disambiguating_labels(self.variants)

    def full(self, variant: Variant) -> str:
        return f"{variant.model} {self.short(variant)}"

    def short(self, variant: Variant) -> str:
        addition = self._additions.get(variant.id, "")
        return f"{variant.quant} ({addition})" if addition else variant.quant

    def by_text(self) -> dict[str, Variant]:
        """Variants by their full name, in the order given."""
        return {self.full(variant): variant for variant in self.variants}
