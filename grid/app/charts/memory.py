"""What a variant takes of memory: weights, KV cache and the rest, stacked beside the budget."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from grid.analysis.memory import Fit
from grid.app.charts.labels import Labels
from grid.app.charts.theme import Look, byte_scale, figure, write_at
from grid.units import format_bytes

ROW = 30
FAR = 5.0
"""A budget of so many times the largest is not drawn: beside it the bars would vanish."""

PARTS = (("weights", ""), ("KV cache", "/"), ("overhead", "."))
"""Parts from the axis outwards, each with the pattern of its bar: colour is never alone."""


def memory_figure(found: Sequence[Fit], labels: Labels, budget: float, look: Look) -> go.Figure:
    """One bar a variant, the smallest on top; an upright line is the budget in bytes, where it is
    not far beyond them all."""
    totals = [float(one.footprint.total or 0) for one in found]
    near = budget < FAR * max(totals)
    most = max(*totals, budget) if near else max(totals)
    scale = byte_scale([most])
    drawn = figure(look, f"memory, {scale.unit}", height=int(120 + ROW * len(found)))
    names = [labels.full(one.footprint.variant) for one in found]
    for (part, pattern), colour in zip(PARTS, look.colours(len(PARTS)), strict=True):
        drawn.add_bar(
            x=[_bytes(one, part) / scale.factor for one in found],
            y=list(range(len(found))),
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
                f"<b>{name}</b><br>{part} {format_bytes(_bytes(one, part))}"
                for name, one in zip(names, found, strict=True)
            ],
            hoverinfo="text",
        )
    if near:
        drawn.add_vline(
            x=budget / scale.factor, line={"color": look.ink, "dash": "dash", "width": 2}
        )
    drawn.update_layout(barmode="stack", bargap=0.55)
    drawn.update_xaxes(rangemode="tozero", range=[0, 1.08 * most / scale.factor])
    # Names stand above their bars: beside the axis they would leave a phone no room.
    drawn.update_yaxes(showticklabels=False, range=[len(found) - 0.4, -0.9], showgrid=False)
    marks = ["" if one.fits else " (does not fit)" for one in found]
    place = {"x": 0, "xref": "paper", "xanchor": "left"}
    texts = [
        {"y": i - 0.46, "text": name + mark, **place}
        for i, (name, mark) in enumerate(zip(names, marks, strict=True))
    ]
    write_at(drawn, texts, look)
    return drawn


def _bytes(one: Fit, part: str) -> float:
    made = one.footprint
    values = {"weights": made.weights, "KV cache": made.kv or 0, "overhead": made.overhead}
    return float(values[part])
