"""Rows of dots with interval bars: one row a variant, one colour and symbol a series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from grid.app.charts.theme import SMALL, Look, figure, log_axis, wide, write_at

ROW, HEAD_ROW = 24, 40
"""Height of a row, px: with its name beside the axis, or above its dots."""

BESIDE = 14
"""Letters up to which names stand beside the axis; longer ones would leave a phone no room."""

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
) -> go.Figure:
    """Rows from top to bottom in the order of their first dot. `line` draws upright lines with a
    name; `log` is decided by the values unless given."""  # fmt: skip
    names = list(dict.fromkeys(dot.name for dot in dots))
    series = list(dict.fromkeys(dot.series for dot in dots))
    beside = max((len(name) for name in names), default=0) <= BESIDE
    row = ROW if beside else HEAD_ROW
    chart = figure(look, title, height=int(110 + row * len(names) + 24 * (len(series) > 1)))
    marks = look.marks(sorted(series))
    apart = min(0.24, 0.7 / len(series)) if len(dots) > len(names) else 0.0
    for i, name in enumerate(series):
        shift = (i - (len(series) - 1) / 2) * apart
        mine = [dot for dot in dots if dot.series == name]
        _series(chart, mine, [names.index(dot.name) + shift for dot in mine], (name, *marks[name]))
    _rows(chart, names, look, beside)
    _lines(chart, line or {}, look)
    values = [dot.value for dot in dots]
    if wide(values) if log is None else log:
        ends = [v for dot in dots for v in (dot.low, dot.value, dot.high) if v]
        bounds = min(values) / BEYOND, max(values) * BEYOND
        log_axis(chart, "x", [min(max(end, bounds[0]), bounds[1]) for end in ends])
    else:
        chart.update_xaxes(rangemode="tozero")
    return chart


def _series(
    chart: go.Figure, dots: Sequence[Dot], rows: Sequence[float], mark: tuple[str, str, str]
) -> None:
    name, colour, symbol = mark
    chart.add_scatter(
        x=[dot.value for dot in dots],
        y=list(rows),
        mode="markers",
        name=name,
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
        hovertext=[dot.hover or f"{dot.name}: {dot.value:.4g}" for dot in dots],
        hoverinfo="text",
    )


def _rows(chart: go.Figure, names: Sequence[str], look: Look, beside: bool) -> None:
    low, high = (-0.6, len(names) - 0.4) if beside else (-0.85, len(names) - 0.5)
    chart.update_yaxes(range=[high, low], showgrid=beside, tickvals=list(range(len(names))))
    chart.update_yaxes(ticktext=list(names) if beside else [""] * len(names))
    chart.update_layout(showlegend=len(chart.data) > 1)
    if beside:
        return
    place = {"x": 0, "xref": "paper", "xanchor": "left", "yshift": 13, "align": "left"}
    write_at(chart, [{"y": i, "text": name, **place} for i, name in enumerate(names)], look)


def _lines(chart: go.Figure, lines: Mapping[float, str], look: Look) -> None:
    for value, name in lines.items():
        chart.add_vline(x=value, line={"color": look.muted, "width": 1.5, "dash": "dash"})
        chart.add_annotation(
            x=value, y=1, yref="paper", yanchor="bottom", text=name, showarrow=False,
            font={"size": SMALL, "color": look.ink},
        )  # fmt: skip
    if lines:
        chart.update_layout(margin={"t": 30})
