"""What a variant takes of memory: weights, KV cache and the rest, stacked beside the budget."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from grid.analysis.memory import Fit
from grid.app.charts.labels import Labels, fitting, inert
from grid.app.charts.placing import text_width
from grid.app.charts.theme import Look, byte_scale, figure, write_at
from grid.units import format_bytes

ROW, NAME = 30, 320
"""Height of a row, and the most that its name takes, px."""

FAR = 5.0
"""A budget of so many times the largest is not drawn: beside it the bars would vanish."""

PARTS = (("weights", ""), ("KV cache", "/"), ("overhead", "."))
"""Parts from the axis outwards, each with the pattern of its bar: colour is never alone."""


def memory_figure(
    rows: Sequence[Fit], labels: Labels, budget: float, look: Look, pick: str = ""
) -> go.Figure:
    """One bar a variant, the smallest on top; an upright line is the budget in bytes, where it is
    not far beyond them all. The variant of id `pick` says so."""
    totals = [float(row.footprint.total or 0) for row in rows]
    near = budget < FAR * max(totals)
    most = max(*totals, budget) if near else max(totals)
    scale = byte_scale([most])
    chart = figure(look, f"memory, {scale.unit}", height=int(120 + ROW * len(rows)))
    names = [labels.full(row.footprint.variant) for row in rows]
    for (part, pattern), colour in zip(PARTS, look.colours(len(PARTS)), strict=True):
        chart.add_bar(
            x=[_bytes(row, part) / scale.factor for row in rows],
            y=list(range(len(rows))),
            name=part,
            orientation="h",
            marker={
                "color": colour,
                "pattern": {
                    "shape": pattern,
                    "fgcolor": look.ground,
                    "fillmode": "overlay",
                    "solidity": 0.25,
                },
            },
            hovertext=[
                f"<b>{inert(name)}</b><br>{part} {format_bytes(_bytes(row, part))}"
                for name, row in zip(names, rows, strict=True)
            ],
            hoverinfo="text",
        )
    if near:
        chart.add_vline(
            x=budget / scale.factor, line={"color": look.ink, "dash": "dash", "width": 2}
        )
    chart.update_layout(barmode="stack", bargap=0.55)
    chart.update_xaxes(rangemode="tozero", range=[0, 1.08 * most / scale.factor])
    # Names stand above their bars: beside the axis they would leave a phone no room.
    chart.update_yaxes(showticklabels=False, range=[len(rows) - 0.4, -0.9], showgrid=False)
    place = {"x": 0, "xref": "paper", "xanchor": "left"}
    texts = [
        {"y": i - 0.46, "text": _name(row, name, pick), **place}
        for i, (name, row) in enumerate(zip(names, rows, strict=True))
    ]
    write_at(chart, texts, look)
    return chart


def _name(row: Fit, name: str, pick: str) -> str:
    """`Pick: small Q8_0`, `large F16 (does not fit)`."""
    mark = "" if row.fits else " (does not fit)"
    word = "Pick: " if row.footprint.variant.id == pick else ""
    text = word + fitting(name, NAME - text_width(word + mark)) + mark
    return f"<b>{text}</b>" if word else text


def _bytes(row: Fit, part: str) -> float:
    footprint = row.footprint
    values = {
        "weights": footprint.weights,
        "KV cache": footprint.kv or 0,
        "overhead": footprint.overhead,
    }
    return float(values[part])
