"""What quants keep of the 16-bit quality, task by task, and the answers that turn."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from grid.analysis.figures import interval_in_words, percent
from grid.analysis.flips import Flips, flips
from grid.analysis.sensitivity import Sensitivity
from grid.app.charts.labels import Labels
from grid.app.charts.sensitivity import heatmap_figure, retained_text
from grid.app.page_parts import CHART, current_look, note, plain, show_table
from grid.models.display_names import visible
from grid.results.statistics import Interval


def draw_retained(result: Sensitivity, labels: Labels) -> None:
    """A heatmap; nothing where no task was measured."""
    if not result.classes:
        return
    st.subheader("Kept of the 16-bit quality", anchor=False)
    reasons = sorted({cell.reason for cell in result.retained.values()})
    if all(cell.share is None for cell in result.retained.values()):
        note(plain(f"What is kept is not known: {'; '.join(reasons)}."))
        return
    st.caption(
        "(score - chance) / (16-bit score - chance) over the items that both were asked. A dash: "
        "not known; its reason is in the table. Over 100 % is better than 16 bits."
    )
    st.plotly_chart(
        heatmap_figure(result, labels, current_look()),
        key="sensitivity_map",
        config=CHART,
        alt=f"Share kept of the 16-bit quality: {len(result.variants)} quants by "
        f"{len(result.classes)} task classes.",
    )
    with st.expander("As a table, with 95 % intervals"):
        show_table(table(result, labels), "sensitivity_table")


def table(result: Sensitivity, labels: Labels) -> dict[str, list[str]]:
    """One row a cell."""
    cells = [result.retained[name, v.id] for v in result.variants for name in result.classes]
    return {
        "quant": [visible(labels.short(cell.variant)) for cell in cells],
        "task": [visible(cell.task_class) for cell in cells],
        "kept (95 % interval)": [retained_text(cell) for cell in cells],
        "items": [str(cell.n) for cell in cells],
        "note": [visible(cell.reason) for cell in cells],
    }


def draw_flips(result: Sensitivity, labels: Labels) -> None:
    """Answers that turn; nothing where no items are shared with the 16 bits."""
    turned = [row for row in flips(result.variants) if row.n]
    if not turned:
        return
    st.subheader("Answers that turn", anchor=False)
    st.caption(
        "Of the items that both were asked: how many answers turned against the 16 bits. Scores "
        "stay where as many turn either way."
    )
    show_table(flip_table(turned, labels), "sensitivity_flips")


def flip_table(rows: Sequence[Flips], labels: Labels) -> dict[str, list[str]]:
    """One row a quant, against the 16 bits of its model."""
    return {
        "quant": [visible(labels.short(row.variant)) for row in rows],
        "turned (95 % interval)": [_share_text(row.turned) for row in rows],
        "right to wrong": [_share_text(row.to_wrong) for row in rows],
        "wrong to right": [_share_text(row.to_right) for row in rows],
        "items": [str(row.n) for row in rows],
    }


def _share_text(interval: Interval | None) -> str:
    return interval_in_words(interval, percent)
