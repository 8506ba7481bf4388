"""Where the qualities of a frontier stand on its upright axis: better is always further up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from grid.analysis import Axis
from grid.app.charts.theme import log_axis, wide

BELOW = 3.0
"""Divergences of 0 stand this many times below the least above it."""

MARGIN = 0.08
"""Share of the axis left free at either end, for names."""

SIXTEEN_BITS = "16 bits"
"""Tick of the divergences that cannot be told from 16 bits."""


@dataclass(frozen=True)
class Heights:
    """Places of values on the axis: as they are, but for divergences of 0, for which a logarithmic
    axis has no place."""

    axis: Axis
    values: Sequence[float]

    @property
    def downwards(self) -> bool:
        """True where less is better, and so further up."""
        return self.axis.better == "lower"

    @property
    def zero(self) -> float:
        """Place of 0."""
        positive = [value for value in self.values if value > 0]
        return min(positive) / BELOW if positive else 1e-3 / BELOW

    @property
    def log(self) -> bool:
        return self.axis.name == "kld_mean" or (self.downwards and wide(self.values))

    def place(self, value: float) -> float:
        """The axis's value at which one stands."""
        return value if value > 0 or not self.log else self.zero

    def fraction(self, value: float) -> float:
        """How far up, from 0 to 1, without margins."""
        scale = math.log if self.log else float
        ends = [scale(self.place(end)) for end in (min(self.values), max(self.values))]
        if ends[0] == ends[1]:
            return 0.5
        up = (scale(self.place(value)) - ends[0]) / (ends[1] - ends[0])
        return 1 - up if self.downwards else up

    def style(self, chart: go.Figure) -> None:
        """Make the chart's axis so."""
        if not self.downwards or not self.values:
            return
        if not self.log:
            chart.update_yaxes(autorange="reversed")
            return
        places = [self.place(value) for value in self.values]
        log_axis(chart, "y", places)
        axis = chart.layout.yaxis
        low, high = math.log10(min(places)), math.log10(max(places))
        margin = MARGIN * ((high - low) or 1.0)
        axis.range = (high + margin, low - margin)
        if min(self.values) <= 0:
            ticks = [tick for tick in axis.tickvals if tick > 1.3 * self.zero]
            texts = list(axis.ticktext)[-len(ticks) :] if ticks else []
            axis.tickvals, axis.ticktext = (self.zero, *ticks), (SIXTEEN_BITS, *texts)
