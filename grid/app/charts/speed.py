"""Time to the first token against the size of the file."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from grid.analysis.figures import number
from grid.analysis.speeds import LatencyRow
from grid.app.charts.labels import Labels, fitting, inert
from grid.app.charts.quantities import bars, series_by
from grid.app.charts.theme import (
    LEGEND_NAME,
    Look,
    byte_scale,
    figure,
    legend_height,
    log_axis,
    ring,
    time_scale,
    wide,
)
from grid.units import format_bytes


def latency_figure(
    rows: Sequence[LatencyRow], labels: Labels, look: Look, pick: str = ""
) -> go.Figure:
    """One point a variant, one colour and symbol a model, or of many models a family; the variant
    of id `pick` is ringed."""
    sizes = byte_scale(row.bytes for row in rows)
    times = time_scale(row.ttft_s.value for row in rows)
    chart = figure(look, f"size, {sizes.unit}", f"time to first token, {times.unit}", height=420)
    series = series_by(row.variant for row in rows)
    names = sorted({series(row.variant) for row in rows})
    chart.update_layout(height=420 + legend_height(names), showlegend=len(names) > 1)
    for name, (colour, symbol) in look.marks(names).items():
        mine = [row for row in rows if series(row.variant) == name]
        arms = bars([row.ttft_s for row in mine], times.factor)
        chart.add_scatter(
            x=[row.bytes / sizes.factor for row in mine],
            y=[row.ttft_s.value / times.factor for row in mine],
            mode="markers",
            name=fitting(name, LEGEND_NAME),
            marker={"color": colour, "symbol": symbol, "size": 10},
            error_y={
                "type": "data", "symmetric": False, "array": arms.plus, "arrayminus": arms.minus,
                "color": colour, "thickness": 1.2, "width": 0,
            },
            hovertext=[
                f"<b>{inert(labels.full(row.variant))}</b><br>"
                f"{number(row.ttft_s.value / times.factor)} {times.unit}, {format_bytes(row.bytes)}"
                for row in mine
            ],
            hoverinfo="text",
        )  # fmt: skip
    for row in rows:
        if row.variant.id == pick:
            chart.add_scatter(
                x=[row.bytes / sizes.factor],
                y=[row.ttft_s.value / times.factor],
                mode="markers",
                marker=ring(look),
                name="pick",
                hoverinfo="skip",
                showlegend=False,
            )
    if wide(row.bytes for row in rows):
        log_axis(chart, "x", [row.bytes / sizes.factor for row in rows])
    values = [row.ttft_s.value / times.factor for row in rows]
    if wide(values):
        ends = [end / times.factor for r in rows for end in (r.ttft_s.low, r.ttft_s.high) if end]
        log_axis(chart, "y", [*values, *ends])
    else:
        chart.update_yaxes(rangemode="tozero")
    return chart
