"""What quantization costs one model: heatmap of retained quality, divergences, probabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import plotly.graph_objects as go

from grid.analysis import Variant
from grid.analysis.figures import number, share
from grid.analysis.retained import RetainedQuality
from grid.analysis.sensitivity import Sensitivity, TextRow
from grid.app.charts.labels import Labels, fitting, inert
from grid.app.charts.placing import text_width
from grid.app.charts.theme import LEGEND_LINE, SMALL, Look, figure, write_at

ROW, NAME = 30, 96
"""Height of a row, and the most that a quant's name takes beside it, px."""

COLUMNS = 200
"""Width of all columns on a phone, px: longer names of them stand upright."""

LINES_ROW = 26
"""Height of a row of percentiles, px."""

DIVERGENCES = {"median": "median", "mean": "mean", "p90": "90 %", "p99": "99 %", "max": "largest"}
DIFFERENCES = {
    "p01": "1 %", "p10": "10 %", "median": "median", "p90": "90 %", "p99": "99 %",
}  # fmt: skip


def heatmap_figure(result: Sensitivity, labels: Labels, look: Look, pick: str = "") -> go.Figure:
    """Rows are quants from most to fewest bytes, columns task classes; text is the share kept. The
    row of the variant of id `pick` is framed.

    The colour's scale ends at the worst cell, so it is a scale of this chart alone.
    """
    chart = figure(look, height=int(90 + ROW * len(result.variants)))
    cells = [[result.retained[name, v.id] for name in result.classes] for v in result.variants]
    values = [[c.share.value if c.share else None for c in row] for row in cells]
    measured = [value for row in values for value in row if value is not None]
    low = min([*measured, 0.9])
    chart.add_heatmap(
        x=list(result.classes),
        y=[labels.short(variant) for variant in result.variants],
        z=values,
        zmin=max(0.0, low),
        zmax=1.0,
        colorscale=look.ramp,
        xgap=2,
        ygap=2,
        showscale=False,
        hovertext=[[cell_hover(cell, labels) for cell in row] for row in cells],
        hoverinfo="text",
    )
    _texts(chart, cells, result, labels, max(0.0, low), look)
    across = sum(text_width(name) + 10 for name in result.classes)
    chart.update_xaxes(side="top", showgrid=False, tickangle=0 if across <= COLUMNS else -90)
    chart.update_yaxes(autorange="reversed", showgrid=False, type="category")
    _name_rows(chart, result.variants, labels)
    for i, variant in enumerate(result.variants):
        if variant.id == pick:
            chart.add_shape(
                type="rect", xref="paper", x0=0, x1=1, y0=i - 0.5, y1=i + 0.5,
                line={"width": 2.5, "color": look.ink},
            )  # fmt: skip
    return chart


def _name_rows(chart: go.Figure, variants: Sequence[Variant], labels: Labels) -> None:
    names = [labels.short(variant) for variant in variants]
    chart.update_yaxes(tickvals=names, ticktext=[fitting(name, NAME) for name in names])


def _texts(
    chart: go.Figure,
    cells: Sequence[Sequence[RetainedQuality]],
    result: Sensitivity,
    labels: Labels,
    low: float,
    look: Look,
) -> None:
    """Shares in the cells, in ink that can be read on the cell's colour."""
    texts = []
    for row, variant in zip(cells, result.variants, strict=True):
        for cell in row:
            value = cell.share.value if cell.share else None
            along = 0.5 if value is None else (value - low) / (1 - low)
            ink = look.ink if value is None else "#FFFFFF" if not 0.22 < along < 0.8 else "#1A1A1A"
            font = {"size": SMALL, "color": ink}
            place = {"x": cell.task_class, "y": labels.short(variant)}
            texts.append({"text": share(value), "font": font, **place})
    write_at(chart, texts, look)


def cell_hover(cell: RetainedQuality, labels: Labels) -> str:
    head = f"<b>{inert(labels.full(cell.variant))}, {inert(cell.task_class)}</b>"
    if cell.share is None:
        return f"{head}<br>not known: {inert(cell.reason)}"
    return f"{head}<br>keeps {retained_text(cell)}<br>{cell.n} items"


def retained_text(cell: RetainedQuality) -> str:
    """`97 % (93 to 101)`."""
    interval = cell.share
    if interval is None or interval.low is None or interval.high is None:
        return share(None if interval is None else interval.value)
    return f"{share(interval.value)} ({100 * interval.low:.0f} to {100 * interval.high:.0f})"


def divergence_figure(
    rows: Sequence[TextRow], labels: Labels, look: Look, pick: str = ""
) -> go.Figure:
    """KL divergence from the 16 bits by quant, one line a percentile; what is not above zero is
    left out, for the axis is logarithmic. The row of the variant of id `pick` is framed."""
    chart = _lines(rows, labels, look, DIVERGENCES, lambda row: row.kld, positive=True, pick=pick)
    chart.update_xaxes(type="log", exponentformat="power", dtick=1)
    chart.update_xaxes(title_text="KLD from 16 bits, nat")
    return chart


def difference_figure(
    rows: Sequence[TextRow], labels: Labels, look: Look, pick: str = ""
) -> go.Figure:
    """Difference of the true token's probability from the 16 bits, by quant and percentile."""
    chart = _lines(rows, labels, look, DIFFERENCES, lambda row: row.dp, positive=False, pick=pick)
    chart.update_xaxes(title_text="p(true token) - p at 16 bits")
    return chart


def _lines(
    rows: Sequence[TextRow],
    labels: Labels,
    look: Look,
    names: Mapping[str, str],
    of: Callable[[TextRow], Mapping[str, object]],
    positive: bool,
    pick: str,
) -> go.Figure:
    chart = figure(look, height=110 + LINES_ROW * len(rows) + LEGEND_LINE)
    for (name, title), (colour, symbol) in zip(
        names.items(), look.marks(list(names)).values(), strict=True
    ):
        shown = [(row, getattr(of(row).get(name), "value", None)) for row in rows]
        kept_rows = [(r, v) for r, v in shown if v is not None and (v > 0 or not positive)]
        if not kept_rows:
            continue
        chart.add_scatter(
            x=[value for _, value in kept_rows],
            y=[labels.short(row.variant) for row, _ in kept_rows],
            mode="lines+markers",
            name=title,
            line={"color": colour, "width": 1.5},
            marker={"symbol": symbol, "size": 9, "color": colour},
            hovertext=[
                f"<b>{inert(labels.full(row.variant))}</b><br>{title}: {number(value)}"
                for row, value in kept_rows
            ],
            hoverinfo="text",
        )
    quants = [labels.short(row.variant) for row in rows]
    chart.update_yaxes(type="category", categoryorder="array", categoryarray=quants[::-1])
    _name_rows(chart, [row.variant for row in rows], labels)
    for row in rows:
        if row.variant.id == pick:
            place = len(rows) - 1 - rows.index(row)
            chart.add_hrect(place - 0.45, place + 0.45, line={"width": 2, "color": look.ink})
    return chart
