"""Quality for each GiB of weights, and speed, quality and size at once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import streamlit as st

from grid.analysis import Variant
from grid.analysis.duels import Bang, bang
from grid.analysis.figures import interval_in_words, score
from grid.app.charts.bubbles import bubble_figure
from grid.app.charts.dots import Dot, dots_figure
from grid.app.charts.labels import Labels, inert
from grid.app.charts.quantities import series_by
from grid.app.marks import pick_on
from grid.app.page_parts import CHART, answer, current_look, plain, show_table
from grid.app.top_bar import Selection
from grid.models.display_names import visible
from grid.units import format_bytes

MOST_ROWS = 20
"""Variants in the chart; the table has all."""


def draw_quality_per_gib(selection: Selection) -> None:
    """Nothing where no variant has a quality and a size."""
    rows = _per_gib(selection.key, selection)
    if not rows:
        return
    st.subheader("Quality per GiB", anchor=False)
    answer(plain(sentence(rows, selection.labels)))
    st.caption("Capability per GiB of weights, with 95 % intervals. The ratio favours small files.")
    _show_chart(rows[:MOST_ROWS], selection)
    if len(rows) > MOST_ROWS:
        st.caption(f"The first {MOST_ROWS} of {len(rows)}; the table has all.")
    with st.expander("Quality per GiB as a table"):
        show_table(table(rows, selection.labels), "bang_table")
    _show_bubbles(selection)


@st.cache_resource(max_entries=8, show_spinner=False)
def _per_gib(key: Hashable, _selection: Selection) -> list[Bang]:
    return bang(_selection.posterior)


def sentence(rows: Sequence[Bang], labels: Labels) -> str:
    """The highest ratio and the highest quality, in words."""
    first = rows[0]
    best = max(rows, key=lambda row: (_quality(row.variant), -row.variant.artifact_bytes))
    text = (
        f"{labels.full(first.variant)} has the most quality per GiB: "
        f"{interval_in_words(first.per_gib)}."
    )
    if best is first:
        return f"{text} It is the most capable as well."
    return (
        f"{text} The most capable, {labels.full(best.variant)}, has "
        f"{best.variant.artifact_bytes / first.variant.artifact_bytes:.1f} times its size and "
        f"quality {_quality(best.variant):.2f} instead of {_quality(first.variant):.2f}."
    )


def table(rows: Sequence[Bang], labels: Labels) -> dict[str, list[str]]:
    """One row a variant."""
    return {
        "variant": [visible(labels.full(row.variant)) for row in rows],
        "quality per GiB": [interval_in_words(row.per_gib) for row in rows],
        "quality": [score(_quality(row.variant)) for row in rows],
        "size": [format_bytes(row.variant.artifact_bytes) for row in rows],
    }


def _show_chart(rows: Sequence[Bang], selection: Selection) -> None:
    labels = selection.labels
    series = series_by(row.variant for row in rows)
    dots = [
        Dot(
            labels.full(row.variant), row.per_gib.value, row.per_gib.low, row.per_gib.high,
            series=series(row.variant), hover=_hover(row, labels), id=row.variant.id,
        )
        for row in rows
    ]  # fmt: skip
    st.plotly_chart(
        dots_figure(dots, "capability per GiB of weights", current_look(), pick=pick_on(selection)),
        key="bang_chart",
        config=CHART,
        alt=visible(sentence(rows, labels)),
    )


def _hover(row: Bang, labels: Labels) -> str:
    return (
        f"<b>{inert(labels.full(row.variant))}</b><br>{interval_in_words(row.per_gib)} per GiB<br>"
        f"quality {score(_quality(row.variant))}, {format_bytes(row.variant.artifact_bytes)}"
    )


def _show_bubbles(selection: Selection) -> None:
    variants = [v for v in selection.measured if v.decode_tps is not None]
    if not variants:
        return
    st.subheader("Speed, quality and size at once", anchor=False)
    st.caption("Further right is faster, higher is better; the area is the size of the file.")
    st.plotly_chart(
        bubble_figure(variants, selection.labels, current_look()),
        key="bang_bubbles",
        config=CHART,
        alt=f"Decode rate, capability and size of {len(variants)} variants.",
    )


def _quality(variant: Variant) -> float:
    return variant.capability.value if variant.capability else 0.0
