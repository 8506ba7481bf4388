"""Quality against size, speed or another cost: what nothing beats, the pick, names, intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from grid.app.charts.labels import Labels, inert
from grid.app.charts.placing import RADIUS, WIDE, WIDEST, Names
from grid.app.charts.quantities import axis_text, bars, series_by
from grid.app.charts.scales import AxisScale
from grid.app.charts.theme import SMALL, WEBGL_FROM, WIDE_ONLY, Look, figure, legend_height, ring
from grid.app.charts.trade_points import TradeOff, TradePoint, hover
from grid.models.display_names import capitalised, shorten, visible
from grid.results.statistics import Interval

LANDMARK = "Q4_K_M"
"""The quant that people know, and compare others with: it is always named."""

BEST = "Best"
CORNER = 0.22
"""Share of each axis that the best corner takes."""

LONGEST, LONGEST_IN_LEGEND = 20, 26
"""Letters of a name on the chart, and below it."""

RING, POINT, SMALL_POINT = 22, 12, 9
"""Diameters, px."""


@dataclass(frozen=True, slots=True)
class Highlights:
    """Ids of variants that a chart rings and names: the pick, what is smaller or faster, and the
    one whose details are open. Empty for none."""

    pick: str = ""
    smaller: str = ""
    faster: str = ""
    opened: str = ""

    @property
    def ids(self) -> set[str]:
        return {self.pick, self.smaller, self.faster, self.opened} - {""}

    def word(self, variant_id: str) -> str:
        """`Pick: `, `Smaller: `, `Smaller, faster: `; empty for all others."""
        words = [w for w in ("pick", "smaller", "faster") if getattr(self, w) == variant_id]
        return f"{', '.join(words).capitalize()}: " if words else ""


NOTHING = Highlights()


def trade_off_figure(
    trade_off: TradeOff,
    labels: Labels,
    look: Look,
    highlights: Highlights = NOTHING,
    height: int = 400,
) -> go.Figure:
    """Filled symbols: what nothing beats; open: something does; crosses: over a limit. The pick is
    ringed. Each point's `customdata` is its variant's id. `height` in px, without the legend."""
    points = trade_off.points
    x = AxisScale(trade_off.x, "x", [point.x.value for point in points])
    y = AxisScale(trade_off.y, "y", [point.y.value for point in points])
    series = series_by(point.variant for point in points)
    names = sorted({series(point.variant) for point in points})
    chart = figure(look, x.title, y.title, height=height + legend_height(names))
    _shade_corner(chart, trade_off, look)
    _line(chart, trade_off, (x, y), look)
    for name, (colour, symbol) in look.marks(names).items():
        mine = [point for point in points if series(point.variant) == name]
        _points(chart, mine, trade_off, labels, (x, y), (visible(name), colour, symbol))
    _rings(chart, trade_off, (x, y), highlights, look)
    _names(chart, trade_off, labels, (x, y), highlights, look)
    for scale in (x, y):
        scale.style(chart)
    chart.update_layout(showlegend=len(names) > 1)
    return chart


def trade_off_text(trade_off: TradeOff, labels: Labels, highlights: Highlights = NOTHING) -> str:
    """What the chart shows, in a sentence or two: its text alternative."""
    members, total = trade_off.members, len(trade_off.points)
    quality = trade_off.y.title
    axes = f"{capitalised(quality)} against {trade_off.x.title}"
    if not members:
        return f"Chart of {axes}, without a point."
    parts = [f"{axes} of {total} variant{'s' if total > 1 else ''}"]
    for field in ("pick", "smaller", "faster"):
        point = trade_off.of(getattr(highlights, field))
        if point is not None:
            values = (axis_text(point.x, trade_off.x), axis_text(point.y, trade_off.y))
            parts.append(f"{field.capitalize()}: {labels.full(point.variant)}, {', '.join(values)}")
    ends = dict.fromkeys(labels.full(p.variant) for p in (members[0], members[-1]))
    beaten = "is not beaten" if len(members) == 1 else "are not beaten"
    parts.append(f"{len(members)} of {total} {beaten}: {' to '.join(ends)}")
    return visible(f"{'. '.join(parts)}.")


def _shade_corner(chart: go.Figure, trade_off: TradeOff, look: Look) -> None:
    right = trade_off.x.better == "higher"
    ends = (1 - CORNER, 1.0) if right else (0.0, CORNER)
    chart.add_shape(
        type="rect", xref="paper", yref="paper", x0=ends[0], x1=ends[1], y0=1 - CORNER, y1=1,
        fillcolor=look.good, opacity=0.14, line={"width": 0}, layer="below",
    )  # fmt: skip
    chart.add_annotation(
        text=BEST, xref="paper", yref="paper", x=float(right), y=1, yanchor="top",
        xanchor="right" if right else "left", showarrow=False,
        font={"size": SMALL, "color": look.ink},
    )  # fmt: skip


def _line(
    chart: go.Figure, trade_off: TradeOff, scales: tuple[AxisScale, AxisScale], look: Look
) -> None:
    """Between two points of the frontier the better of what either alone would give: the x of the
    costlier is needed for its y."""
    x, y = scales
    chart.add_scatter(
        x=[x.place(point.x.value) for point in trade_off.members],
        y=[y.place(point.y.value) for point in trade_off.members],
        mode="lines",
        line={
            "shape": "hv" if trade_off.x.better == "lower" else "vh",
            "color": look.muted, "width": 2, "dash": "dot",
        },
        name="frontier",
        hoverinfo="skip",
        showlegend=False,
    )  # fmt: skip


def _points(
    chart: go.Figure,
    points: Sequence[TradePoint],
    trade_off: TradeOff,
    labels: Labels,
    scales: tuple[AxisScale, AxisScale],
    mark: tuple[str, str, str],
) -> None:
    name, colour, symbol = mark
    x, y = scales
    across = bars([p.x if p.barred else Interval(math.nan) for p in points], x.unit.factor)
    along = bars([p.y if p.barred else Interval(math.nan) for p in points], y.unit.factor)
    kind = go.Scattergl if len(trade_off.points) > WEBGL_FROM else go.Scatter
    trace = kind(
        x=[x.place(point.x.value) for point in points],
        y=[y.place(point.y.value) for point in points],
        mode="markers",
        name=inert(shorten(name, LONGEST_IN_LEGEND)),
        customdata=[point.variant.id for point in points],
        hovertext=[hover(point, trade_off, labels) for point in points],
        hoverinfo="text",
        marker={
            "color": colour,
            "opacity": 1,
            "size": [POINT if point.on_frontier else SMALL_POINT for point in points],
            "symbol": [_symbol(point, symbol) for point in points],
            "line": {"width": 1.5, "color": colour},
        },
        error_x=_bar(across.plus, across.minus, colour) if across.any else None,
        error_y=_bar(along.plus, along.minus, colour) if along.any else None,
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
    )
    chart.add_trace(trace)


def _symbol(point: TradePoint, symbol: str) -> str:
    if point.over_limit:
        return "x-thin"
    return symbol if point.on_frontier else f"{symbol}-open"


def _bar(plus: list[float], minus: list[float], colour: str) -> dict[str, object]:
    faint = f"rgba({int(colour[1:3], 16)},{int(colour[3:5], 16)},{int(colour[5:7], 16)},0.35)"
    return {
        "type": "data", "symmetric": False, "array": plus, "arrayminus": minus,
        "thickness": 1.2, "width": 0, "color": faint,
    }  # fmt: skip


def _rings(
    chart: go.Figure,
    trade_off: TradeOff,
    scales: tuple[AxisScale, AxisScale],
    highlights: Highlights,
    look: Look,
) -> None:
    """A thick ring around the pick, a thin one around what is smaller or faster, and a square
    around what is open."""
    x, y = scales
    for field, symbol, width in (
        ("smaller", "circle", 1.2), ("faster", "circle", 1.2),
        ("opened", "square", 1.5), ("pick", "circle", 2.5),
    ):  # fmt: skip
        point = trade_off.of(getattr(highlights, field))
        if point is not None:
            chart.add_scatter(
                x=[x.place(point.x.value)],
                y=[y.place(point.y.value)],
                mode="markers",
                marker=ring(look, RING, width, symbol),
                name=field,
                hoverinfo="skip",
                showlegend=False,
            )  # fmt: skip


def _names(
    chart: go.Figure,
    trade_off: TradeOff,
    labels: Labels,
    scales: tuple[AxisScale, AxisScale],
    highlights: Highlights,
    look: Look,
) -> None:
    """Names of the pick, its rivals, the landmark and the frontier, as far as they do not overlap:
    those for which a phone has room, and those that only a wider chart shows."""
    x, y = scales
    points = trade_off.points
    order = name_order(trade_off, highlights)
    names = Names(
        texts=chart_names(trade_off, labels, highlights),
        x=[x.fraction(point.x.value) for point in points],
        y=[y.fraction(point.y.value) for point in points],
        order=[i for i, _ in order],
        must={i for i, must in order if must},
        radii=[RING / 2 + 2 if p.variant.id in highlights.ids else RADIUS for p in points],
        corner=BEST,
        corner_at_right=trade_off.x.better == "higher",
    )
    narrow = names.place()
    wide = names.place((WIDE, WIDEST), narrow)
    for sides, mark in ((narrow, ""), (wide, WIDE_ONLY)):
        chart.add_scatter(
            x=[x.place(points[i].x.value) for i in sides],
            y=[y.place(points[i].y.value) for i in sides],
            mode="markers+text",
            marker={"size": [2 * names.radii[i] for i in sides], "opacity": 0},  # keep texts off
            text=[mark + _bold(i, names.texts, points, highlights) for i in sides],
            textposition=list(sides.values()),
            textfont={"size": SMALL, "color": look.ink, "shadow": look.halo},
            hoverinfo="skip",
            showlegend=False,
        )


def name_order(trade_off: TradeOff, highlights: Highlights) -> list[tuple[int, bool]]:
    """Points that get a name, first to last, and whether it may cover points."""
    pick = trade_off.of(highlights.pick)
    model = pick.variant.model if pick else ""

    def rank(point: TradePoint) -> int:
        if highlights.word(point.variant.id):
            return 0 if point is pick else 1
        if point.variant.quant == LANDMARK:
            return 2 if point.variant.model == model or not model else 3
        return 4 if point.on_frontier else 5

    ranked = sorted((rank(p), -p.y.value, i) for i, p in enumerate(trade_off.points))
    return [(i, place <= 2) for place, _, i in ranked if place < 5]


def chart_names(trade_off: TradeOff, labels: Labels, highlights: Highlights) -> list[str]:
    """Quants; with the model where colours do not say it, and of the pick."""
    variants = [point.variant for point in trade_off.points]
    several = len({variant.model for variant in variants}) > 1
    series = series_by(variants)
    names = []
    for variant in variants:
        word = highlights.word(variant.id)
        is_pick = variant.id == highlights.pick
        says_model = several and (is_pick or (not word and series(variant) != variant.model))
        name = labels.full(variant) if says_model else labels.short(variant)
        names.append(word + shorten(visible(name), LONGEST))
    return names


def _bold(
    i: int, texts: Sequence[str], points: Sequence[TradePoint], highlights: Highlights
) -> str:
    text = inert(texts[i])
    return f"<b>{text}</b>" if points[i].variant.id == highlights.pick else text
