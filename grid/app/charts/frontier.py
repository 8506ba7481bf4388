"""The chart of a frontier."""

from __future__ import annotations

import plotly.graph_objects as go

from grid.analysis import Frontier
from grid.app.charts.labels import Labels
from grid.app.charts.theme import Look
from grid.app.charts.trade_off import Highlights, trade_off_figure
from grid.app.charts.trade_points import points_of_frontier, with_ties

__all__ = ["frontier_figure", "with_ties"]


def frontier_figure(front: Frontier, labels: Labels, look: Look, chosen: str = "") -> go.Figure:
    """A trade-off, with the variant of id `chosen` marked as open."""
    return trade_off_figure(
        points_of_frontier(front, labels), labels, look, Highlights(opened=chosen), height=460
    )
