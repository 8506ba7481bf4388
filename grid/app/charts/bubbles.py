"""Speed against quality, with size as area."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from grid.analysis import AXES, Variant
from grid.analysis.axes import figure_on
from grid.app.charts.labels import Labels, fitting, inert
from grid.app.charts.placing import RADIUS, Names
from grid.app.charts.quantities import axis_text, series_by
from grid.app.charts.theme import (
    LEGEND_NAME,
    SMALL,
    WEBGL_FROM,
    Look,
    figure,
    legend_height,
    log_axis,
    ring,
    wide,
)
from grid.app.charts.trade_off import LANDMARK
from grid.models.display_names import shorten, visible
from grid.units import format_bytes

LARGEST, LEAST, RING = 46.0, 6.0, 8.0
"""Diameters of bubbles, and what a ring has more, px."""

LONGEST = 20
"""Letters of a name."""

NAMED = 40
"""Bubbles up to which each may get a name beside it; of more only the pick and the landmark."""

ROOM = 1.5
"""Times that the axis of rates goes on, so that the outer bubbles are whole."""


def bubble_figure(
    variants: Sequence[Variant], labels: Labels, look: Look, pick: str = ""
) -> go.Figure:
    """Those with a decode rate and a capability; `customdata` is the variant's id. The variant of
    id `pick` is ringed."""
    shown = sorted(
        (v for v in variants if v.decode_tps is not None and v.capability is not None),
        key=lambda v: -v.artifact_bytes,
    )
    chart = figure(look, "decode rate, token/s", "quality (capability)", height=480)
    if not shown:
        return chart
    most = max(v.artifact_bytes for v in shown)
    series = series_by(shown)
    names = sorted({series(v) for v in shown})
    for name, (colour, symbol) in look.marks(names).items():
        mine = [v for v in shown if series(v) == name]
        kind = go.Scattergl if len(shown) > WEBGL_FROM else go.Scatter
        chart.add_trace(
            kind(
                x=[_rate(v) for v in mine],
                y=[_quality(v) for v in mine],
                mode="markers",
                name=fitting(name, LEGEND_NAME),
                customdata=[v.id for v in mine],
                hovertext=[_hover(v, labels) for v in mine],
                hoverinfo="text",
                marker={
                    "size": [max(LEAST**2, LARGEST**2 * v.artifact_bytes / most) for v in mine],
                    "sizemode": "area",
                    "sizeref": 1.0,
                    "color": colour,
                    "symbol": symbol,
                    "opacity": 0.55,
                    "line": {"width": 1.5, "color": colour},
                },
            )
        )
    _names(chart, shown, labels, look, pick)
    chart.update_layout(height=480 + legend_height(names), showlegend=len(names) > 1)
    for variant in shown:
        if variant.id == pick:
            size = RING + LARGEST * math.sqrt(variant.artifact_bytes / most)
            chart.add_scatter(
                x=[_rate(variant)], y=[_quality(variant)], mode="markers", name="pick",
                marker=ring(look, round(size)), hoverinfo="skip", showlegend=False,
            )  # fmt: skip
    if wide(_rate(v) for v in shown):
        rates = [_rate(v) for v in shown]
        log_axis(chart, "x", [min(rates) / ROOM, max(rates) * ROOM])
    return chart


def _names(
    chart: go.Figure, shown: Sequence[Variant], labels: Labels, look: Look, pick: str
) -> None:
    x, y = [_rate(v) for v in shown], [_quality(v) for v in shown]
    few = len(shown) <= NAMED
    names = [shorten(visible(labels.short(v) if few else labels.full(v)), LONGEST) for v in shown]
    across = [math.log(rate) for rate in x] if wide(x) else x
    order = [i for i, v in enumerate(shown) if few or v.id == pick or v.quant == LANDMARK]
    order.sort(key=lambda i: shown[i].id != pick)
    sides = Names(names, _spread(across), _spread(y), order, [RADIUS] * len(names)).place()
    chart.add_scatter(
        x=[x[i] for i in sides],
        y=[y[i] for i in sides],
        mode="markers+text",
        marker={"size": 14, "opacity": 0},
        text=[inert(names[i]) for i in sides],
        textposition=list(sides.values()),
        textfont={"size": SMALL, "color": look.ink, "shadow": look.halo},
        hoverinfo="skip",
        showlegend=False,
    )


def _spread(values: Sequence[float]) -> list[float]:
    low, high = min(values), max(values)
    return [0.06 + 0.88 * ((v - low) / (high - low) if high > low else 0.5) for v in values]


def _rate(variant: Variant) -> float:
    return variant.decode_tps.value if variant.decode_tps else 0.0


def _quality(variant: Variant) -> float:
    return variant.capability.value if variant.capability else 0.0


def _hover(variant: Variant, labels: Labels) -> str:
    lines = [f"<b>{inert(labels.full(variant))}</b>", format_bytes(variant.artifact_bytes)]
    for name in ("decode_tps", "capability"):
        axis = AXES[name]
        lines.append(f"{axis.title} {axis_text(figure_on(variant, axis), axis)}")
    return "<br>".join(lines)
