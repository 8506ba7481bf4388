"""Raw samples of one attempt: in the order measured, or as a histogram where they are many."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from grid.app.charts.theme import Look, figure

MANY = 400
"""Samples from which their distribution is drawn instead of their order."""

FEW = 12
"""Samples up to which each has its number at the axis."""


def samples_figure(name: str, unit: str, values: Sequence[float], look: Look) -> go.Figure:
    """One series of an attempt, in its unit."""
    title = f"{name}, {unit}" if unit not in ("", "1") else name
    if len(values) > MANY:
        chart = figure(look, title, "samples", height=280)
        chart.add_histogram(x=list(values), nbinsx=80, marker={"color": look.accent})
        chart.update_yaxes(type="log")
        return chart
    chart = figure(look, "in the order measured", title, height=280)
    chart.add_scatter(
        x=list(range(1, len(values) + 1)),
        y=list(values),
        mode="lines+markers" if len(values) < MANY // 4 else "markers",
        line={"color": look.lines, "width": 1},
        marker={"color": look.accent, "size": 8},
        hovertemplate="%{x}: %{y:.6g} " + (unit if unit != "1" else "") + "<extra></extra>",
    )
    chart.update_yaxes(rangemode="tozero")
    if len(values) <= FEW:
        chart.update_xaxes(dtick=1)
    return chart
