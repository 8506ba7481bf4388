"""Rows of dots with interval bars: one row a variant, one colour and symbol a series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from grid.app.charts.labels import fitting, inert
from grid.app.charts.placing import text_width
from grid.app.charts.theme import (
    LEGEND_LINE,
    LEGEND_NAME,
    SMALL,
    Look,
    figure,
    legend_height,
    log_axis,
    ring,
    wide,
    write_at,
)

ROW, HEAD_ROW = 24, 40
"""Height of a row, px: with its name beside the axis, or above its dots."""

BESIDE, ABOVE = 90, 320
"""Widths of a name, px: up to which it stands beside the axis, where a longer one would leave a
phone no room; and the most that it takes above its dots."""

RING = 17
"""Diameter of the ring around the pick, px."""

BEYOND = 5.0
"""A logarithmic axis ends this many times beyond the values; longer bars run off its end."""


@dataclass(frozen=True, slots=True)
class Dot:
    """A value in the axis's unit with its interval, in the row `name` and the series `series`."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    series: str = ""
    hover: str = ""
    id: str = ""


def dots_figure(
    dots: Sequence[Dot],
    title: str,
    look: Look,
    line: Mapping[float, str] | None = None,
    log: bool | None = None,
    pick: str = "",
) -> go.Figure:
    """Rows from top to bottom in the order of their first dot. `line` draws upright lines with a
    name; `log` is decided by the values unless given. The dots of the id `pick` are ringed."""
    names = list(dict.fromkeys(dot.name for dot in dots))
    row_of = {name: i for i, name in enumerate(names)}
    series = list(dict.fromkeys(dot.series for dot in dots))
    beside = max(map(text_width, names), default=0) <= BESIDE
    row = ROW if beside else HEAD_ROW
    chart = figure(look, title, height=int(110 + row * len(names) + _legend(series)))
    marks = look.marks(sorted(series))
    apart = min(0.24, 0.7 / len(series)) if len(dots) > len(names) else 0.0
    for i, name in enumerate(series):
        shift = (i - (len(series) - 1) / 2) * apart
        mine = [dot for dot in dots if dot.series == name]
        rows = [row_of[dot.name] + shift for dot in mine]
        _series(chart, mine, rows, (name, *marks[name]))
        _ring(chart, [(d, y) for d, y in zip(mine, rows, strict=True) if d.id == pick != ""], look)
    _rows(chart, names, look, beside)
    chart.update_layout(showlegend=len(series) > 1)
    _lines(chart, line or {}, look)
    values = [dot.value for dot in dots]
    if wide(values) if log is None else log:
        ends = [v for dot in dots for v in (dot.low, dot.value, dot.high) if v]
        bounds = min(values) / BEYOND, max(values) * BEYOND
        log_axis(chart, "x", [min(max(end, bounds[0]), bounds[1]) for end in ends])
    else:
        chart.update_xaxes(rangemode="tozero")
    return chart


def _legend(series: Sequence[str]) -> int:
    """Height of the legend, px."""
    return LEGEND_LINE + legend_height(series) if len(series) > 1 else 0


def _series(
    chart: go.Figure, dots: Sequence[Dot], rows: Sequence[float], mark: tuple[str, str, str]
) -> None:
    name, colour, symbol = mark
    chart.add_scatter(
        x=[dot.value for dot in dots],
        y=list(rows),
        mode="markers",
        name=fitting(name, LEGEND_NAME),
        showlegend=bool(name),
        marker={"color": colour, "symbol": symbol, "size": 9},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [0.0 if d.high is None else max(0.0, d.high - d.value) for d in dots],
            "arrayminus": [0.0 if d.low is None else max(0.0, d.value - d.low) for d in dots],
            "color": colour,
            "thickness": 1.5,
            "width": 0,
        },
        customdata=[dot.id for dot in dots],
        hovertext=[dot.hover or f"{inert(dot.name)}: {dot.value:.4g}" for dot in dots],
        hoverinfo="text",
    )


def _ring(chart: go.Figure, places: Sequence[tuple[Dot, float]], look: Look) -> None:
    if places:
        chart.add_scatter(
            x=[dot.value for dot, _ in places],
            y=[row for _, row in places],
            mode="markers",
            marker=ring(look, RING),
            name="pick",
            hoverinfo="skip",
            showlegend=False,
        )


def _rows(chart: go.Figure, names: Sequence[str], look: Look, beside: bool) -> None:
    low, high = (-0.6, len(names) - 0.4) if beside else (-0.85, len(names) - 0.5)
    chart.update_yaxes(range=[high, low], showgrid=beside, tickvals=list(range(len(names))))
    chart.update_yaxes(ticktext=[inert(name) for name in names] if beside else [""] * len(names))
    if beside:
        return
    place = {"x": 0, "xref": "paper", "xanchor": "left", "yshift": 15, "align": "left"}
    texts = [{"y": i, "text": fitting(name, ABOVE), **place} for i, name in enumerate(names)]
    write_at(chart, texts, look)


def _lines(chart: go.Figure, lines: Mapping[float, str], look: Look) -> None:
    for value, name in lines.items():
        chart.add_vline(x=value, line={"color": look.muted, "width": 1.5, "dash": "dash"})
        chart.add_annotation(
            x=value, y=1, yref="paper", yanchor="bottom", text=name, showarrow=False,
            font={"size": SMALL, "color": look.ink},
        )  # fmt: skip
    if lines:
        chart.update_layout(margin={"t": 30})
