"""The frontier of two axes: all variants, what nothing beats as a step line, intervals, names."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence

import plotly.graph_objects as go

from grid.analysis import Axis, Frontier, FrontierPoint
from grid.analysis.axes import lacks_uncertainty
from grid.analysis.figures import share
from grid.app.charts.heights import Heights
from grid.app.charts.labels import Labels
from grid.app.charts.placing import place
from grid.app.charts.quantities import (
    axis_text,
    bars,
    interval_of,
    scale_of,
    series_by,
    title_of,
)
from grid.app.charts.theme import SMALL, WEBGL_FROM, Look, figure, log_axis, wide
from grid.results.statistics import Interval

TIES_NAMED = 4

POINTS_WITH_TIES, LIKELY = 40, 16
"""Points whose ties are worked out: all of the first number; of more the likeliest on the frontier,
as many as the second."""


def with_ties(front: Frontier) -> frozenset[str]:
    """Ids of the points whose ties are worth the time it takes to find them."""
    points = front.points
    if len(points) > POINTS_WITH_TIES:
        likely = sorted(points, key=lambda p: (not p.on_frontier, -p.probability, p.variant.id))
        points = tuple(likely[:LIKELY])
    return frozenset(point.variant.id for point in points)


def frontier_figure(front: Frontier, labels: Labels, look: Look, chosen: str = "") -> go.Figure:
    """Filled symbols on the frontier, open ones off it; `chosen` (a variant's id) is ringed.

    Each point's `customdata` is its variant's id.
    """
    scale = scale_of(front.x, [point.x for point in front.points])
    chart = figure(look, title_of(front.x, scale), title_of(front.y, scale_of(front.y, [])))
    heights = Heights(front.y, [point.y for point in front.points])
    _step(chart, front, scale.factor, heights, look)
    detailed = with_ties(front)
    series = series_by(point.variant for point in front.points)
    named = sorted({series(point.variant) for point in front.points})
    for name, (colour, symbol) in look.marks(named).items():
        mine = [point for point in front.points if series(point.variant) == name]
        mark = (name, colour, symbol)
        _points(chart, front, mine, labels, mark, scale.factor, heights, detailed)
    _names(chart, front, labels, scale.factor, heights, look)
    _ring(chart, [p for p in front.points if p.variant.id == chosen], scale.factor, heights, look)
    heights.style(chart)
    if wide(point.x for point in front.points):
        log_axis(chart, "x", [point.x / scale.factor for point in front.points])
    return chart


def _step(chart: go.Figure, front: Frontier, factor: float, heights: Heights, look: Look) -> None:
    """Between two points of the frontier the better of what either alone would give: the x of the
    costlier is needed for its y."""
    line = sorted(front.members, key=lambda point: point.x)
    shape = "hv" if front.x.better == "lower" else "vh"
    chart.add_scatter(
        x=[point.x / factor for point in line],
        y=[heights.place(point.y) for point in line],
        mode="lines",
        line={"shape": shape, "color": look.muted, "width": 2, "dash": "dot"},
        name="frontier",
        hoverinfo="skip",
    )


def _points(
    chart: go.Figure,
    front: Frontier,
    points: Sequence[FrontierPoint],
    labels: Labels,
    mark: tuple[str, str, str],
    factor: float,
    heights: Heights,
    detailed: Container[str],
) -> None:
    name, colour, symbol = mark
    across = bars([_barred(point, front.x, detailed) for point in points], factor)
    along = bars([_barred(point, front.y, detailed) for point in points], 1.0)
    kind = go.Scattergl if len(front.points) > WEBGL_FROM else go.Scatter
    trace = kind(
        x=[point.x / factor for point in points],
        y=[heights.place(point.y) for point in points],
        mode="markers",
        name=name,
        customdata=[point.variant.id for point in points],
        hovertext=[hover(front, p, labels, p.variant.id in detailed) for p in points],
        hoverinfo="text",
        marker={
            "color": colour,
            "opacity": 1,
            "size": [12 if point.on_frontier else 9 for point in points],
            "symbol": [symbol if point.on_frontier else f"{symbol}-open" for point in points],
            "line": {"width": 1.5, "color": colour},
        },
        error_x=_bar(across.plus, across.minus, colour) if across.any else None,
        error_y=_bar(along.plus, along.minus, colour) if along.any else None,
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
    )
    chart.add_trace(trace)


def _bar(plus: list[float], minus: list[float], colour: str) -> dict[str, object]:
    faint = f"rgba({int(colour[1:3], 16)},{int(colour[3:5], 16)},{int(colour[5:7], 16)},0.45)"
    return {
        "type": "data", "symmetric": False, "array": plus, "arrayminus": minus,
        "thickness": 1.2, "width": 0, "color": faint,
    }  # fmt: skip


def _barred(point: FrontierPoint, axis: Axis, detailed: Container[str]) -> Interval:
    """Of many points only those near the frontier have bars: all bars would hide one another."""
    interval = interval_of(point.variant, axis) if point.variant.id in detailed else None
    return interval or Interval(math.nan)


def hover(front: Frontier, point: FrontierPoint, labels: Labels, ties_too: bool = True) -> str:
    """Name, both values with intervals, probability and ties of a point."""
    variant = point.variant
    lines = [
        f"<b>{labels.full(variant)}</b>",
        *(f"{a.title} {axis_text(interval_of(variant, a), a)}" for a in (front.x, front.y)),
    ]
    lines.append(
        probability_text(point, front.y)
        + (", on the frontier" if point.on_frontier else ", beaten")
    )
    ties = point.ties.get(front.y.name, ()) if ties_too else ()
    if ties:
        named = ", ".join(labels.full(variant) for variant in ties[:TIES_NAMED])
        unnamed = f" and {len(ties) - TIES_NAMED} more" if len(ties) > TIES_NAMED else ""
        lines.append(f"ties in {front.y.title} with {named}{unnamed}")
    return "<br>".join(lines)


def probability_text(point: FrontierPoint, axis: Axis) -> str:
    if lacks_uncertainty(point.variant, axis):
        return "probability - (no uncertainty is known)"
    return f"probability {share(point.probability)}"


def _names(
    chart: go.Figure, front: Frontier, labels: Labels, factor: float, heights: Heights, look: Look
) -> None:
    """Names of those on the frontier, as far as they do not overlap."""
    points = front.points
    if not points:
        return
    x = _along([p.x for p in points])
    y = [0.06 + 0.88 * heights.fraction(p.y) for p in points]
    names = [labels.short(point.variant) for point in points]
    wanted = sorted((i for i, p in enumerate(points) if p.on_frontier), key=lambda i: -y[i])
    sides = place(names, x, y, wanted)
    chart.add_scatter(
        x=[points[i].x / factor for i in sides],
        y=[heights.place(points[i].y) for i in sides],
        mode="markers+text",
        marker={"size": 15, "opacity": 0},  # it keeps the text off the point
        text=[names[i] for i in sides],
        textposition=list(sides.values()),
        textfont={"size": SMALL, "color": look.ink},
        hoverinfo="skip",
        showlegend=False,
    )


def _along(values: Sequence[float]) -> list[float]:
    """Places from 0 to 1 on the axis, with its margins."""
    scaled = [math.log(v) for v in values] if wide(values) else list(values)
    low, high = min(scaled), max(scaled)
    return [0.06 + 0.88 * ((v - low) / (high - low) if high > low else 0.5) for v in scaled]


def _ring(
    chart: go.Figure,
    points: Sequence[FrontierPoint],
    factor: float,
    heights: Heights,
    look: Look,
) -> None:
    for point in points:
        chart.add_scatter(
            x=[point.x / factor],
            y=[heights.place(point.y)],
            mode="markers",
            marker={
                "symbol": "circle-open",
                "size": 22,
                "color": look.ink,
                "line": {"width": 2, "color": look.ink},
            },
            hoverinfo="skip",
            showlegend=False,
        )
