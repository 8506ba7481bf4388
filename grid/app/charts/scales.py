"""The axes of a trade-off: where values stand on them, and their ticks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import plotly.graph_objects as go

from grid.analysis import Axis
from grid.app.charts.quantities import scale_of, title_of
from grid.app.charts.theme import MOST_TICKS, Scale, even_ticks, nice_ticks, tick_text, wide

BELOW = 3.0
"""Divergences of 0 stand this many times below the least above it."""

MARGIN = 0.09
"""Share of an axis left free at either end, for names."""

SIXTEEN_BITS = "16 bits"
"""Tick of the divergences that cannot be told from 16 bits."""


@dataclass(frozen=True)
class AxisScale:
    """Places of values, in the axis's unit, on a chart's x or y axis.

    Upright, better is further up. A divergence of 0, for which a logarithmic axis has no place,
    stands below the least above it. Without values every place is in the middle.
    """

    axis: Axis
    side: Literal["x", "y"]
    values: Sequence[float]

    @property
    def title(self) -> str:
        return title_of(self.axis, self.unit)

    @cached_property
    def log(self) -> bool:
        if self.axis.name == "kld_mean":
            return True
        return wide(self.values) and (self.side == "x" or self.reversed)

    @property
    def reversed(self) -> bool:
        """True where less is better, and so further up."""
        return self.side == "y" and self.axis.better == "lower"

    @cached_property
    def zero(self) -> float:
        """Place of 0 on a logarithmic axis."""
        positive = [value for value in self.values if value > 0]
        return min(positive) / BELOW if positive else 1e-3 / BELOW

    def place(self, value: float) -> float:
        """The value at which one stands, in the unit shown."""
        return (value if value > 0 or not self.log else self.zero) / self.unit.factor

    def fraction(self, value: float) -> float:
        """How far along the axis, from 0 to 1, to the right or up."""
        low, high = self._ends
        along = (self._spread(self.place(value)) - low) / (high - low)
        return 1 - along if self.reversed else along

    def style(self, chart: go.Figure) -> None:
        """Make the chart's axis so."""
        low, high = self._ends
        settings: dict[str, object] = {"range": (high, low) if self.reversed else (low, high)}
        if self.log:
            settings |= {"type": "log", "tickangle": 0} | self._ticks(10**low, 10**high)
        chart.update_layout({f"{self.side}axis": settings})

    def ticks(self) -> list[tuple[float, str]]:
        """Where ticks stand, from 0 to 1 along the axis, and their texts."""
        low, high = self._ends
        if self.log:
            ticks = self._ticks(10**low, 10**high)
            pairs = zip(ticks["tickvals"], ticks["ticktext"], strict=True)  # type: ignore[call-overload]
            places = [(math.log10(place), str(text)) for place, text in pairs]
        else:
            places = [(place, f"{place:g}") for place in even_ticks(low, high)]
        along = [((place - low) / (high - low), text) for place, text in places]
        return [(1 - at if self.reversed else at, text) for at, text in along]

    @cached_property
    def unit(self) -> Scale:
        """The unit shown."""
        return scale_of(self.axis, self.values)

    def _spread(self, place: float) -> float:
        return math.log10(place) if self.log else place

    @cached_property
    def _ends(self) -> tuple[float, float]:
        """Ends of the axis as Plotly has them: of a logarithmic one in powers of ten."""
        places = [self._spread(self.place(value)) for value in self.values] or [0.0]
        low, high = min(places), max(places)
        margin = MARGIN / (1 - 2 * MARGIN) * (high - low) or abs(high) / 2 or 0.5
        return low - margin, high + margin

    def _ticks(self, low: float, high: float) -> dict[str, object]:
        ticks = nice_ticks(low, high)
        if len(ticks) > MOST_TICKS:
            tens = [tick for tick in ticks if f"{tick:e}"[0] == "1"]
            ticks = tens[:: 1 + len(tens) // (MOST_TICKS + 1)]
        texts = [tick_text(tick) for tick in ticks]
        if self.values and min(self.values) <= 0:
            ticks = [tick for tick in ticks if tick > 1.3 * self.zero]
            ticks, texts = [self.zero, *ticks], [SIXTEEN_BITS, *(tick_text(t) for t in ticks)]
        return {"tickvals": ticks, "ticktext": texts}
