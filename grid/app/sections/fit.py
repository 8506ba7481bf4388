"""What fits a memory budget at a context, and how long a context has room."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from grid.advice import BUDGETS_GB
from grid.analysis.figures import ABSENT, size
from grid.analysis.memory import KV_TYPES, Fit, fits
from grid.app import address
from grid.app.charts.labels import Labels
from grid.app.charts.memory import FAR, memory_figure
from grid.app.marks import pick_on
from grid.app.page_parts import CHART, answer, current_look, plain, show_table
from grid.app.top_bar import Selection
from grid.models.display_names import visible
from grid.units import GIB, format_bytes

CONTEXTS = (4096, 512, 1024, 2048, 8192, 16384, 32768, 65536, 131072)
"""The first is chosen at the beginning."""
TYPED = "other"
MOST_ROWS = 20
"""Variants in the chart; the table has all."""


def draw_fit(selection: Selection) -> None:
    """The boxes, the bars beside the budget, and the table."""
    st.subheader("What fits in memory", anchor=False)
    left, middle, right = st.columns(3)
    with left:
        budget = _choose_budget()
    with middle:
        context = address.select("Context", CONTEXTS, "tokens", lambda tokens: f"{tokens:,}")
    with right:
        kv_types = ["f16", *(name for name in KV_TYPES if name != "f16")]
        kv_type = address.select("KV cache", kv_types, "kv")
    rows = fits(selection.variants, budget, context, kv_type)
    answer(plain(sentence(rows, selection.labels, budget, context)))
    st.caption(
        "Weights + KV cache of the whole context + what the engine takes beside them. What the "
        "system takes is not in it: give what is free, or see Pick, which knows machines."
    )
    _show_chart(rows, selection, budget)
    with st.expander("What fits as a table"):
        show_table(table(rows, selection.labels), "memory_table")
    _show_notes(rows, selection.labels)


def _choose_budget() -> float:
    names = [*(f"{budget} GiB" for budget in BUDGETS_GB), TYPED]
    chosen = address.select("Memory", names, "budget")
    if chosen != TYPED:
        return float(chosen.split()[0]) * GIB
    return GIB * (address.enter_number("GiB", "gib", 0.01, 4096.0, 6.0, 0.5) or 6.0)


def sentence(rows: Sequence[Fit], labels: Labels, budget: float, context: int) -> str:
    """How many fit, the most capable of them, and the room it leaves."""
    measured = [row for row in rows if row.fits is not None]
    inside = [row for row in measured if row.fits]
    where = f"{format_bytes(budget)} with {context:,} tokens of context"
    if not measured:
        return "The rows do not say what the KV cache of any variant takes."
    if not inside:
        least = min(measured, key=lambda row: (row.footprint.total or 0, row.footprint.variant.id))
        return (
            f"Nothing fits {where}: the smallest, {labels.full(least.footprint.variant)}, needs "
            f"{format_bytes(least.footprint.total or 0)}."
        )
    text = f"{len(inside)} of {len(measured)} fit {where}."
    able = [row for row in inside if row.footprint.variant.capability is not None]
    if able:
        best = max(able, key=_capability)
        text += f" The most capable that fits is {labels.full(best.footprint.variant)}"
        text += f", with room for {best.room:,} tokens." if best.room else "."
    short = sum(_too_long(row) for row in inside)
    if short:
        text += f" {short} of these were made for a shorter context."
    return text


def table(rows: Sequence[Fit], labels: Labels) -> dict[str, list[str]]:
    """One row a variant."""
    return {
        "variant": [visible(labels.full(row.footprint.variant)) for row in rows],
        "fits": [_fits_text(row) for row in rows],
        "total": [size(row.footprint.total) for row in rows],
        "weights": [size(row.footprint.weights) for row in rows],
        "KV cache": [size(row.footprint.kv) for row in rows],
        "engine": [size(row.footprint.overhead) for row in rows],
        "left": [_free_text(row.free) for row in rows],
        "room for context": [
            ABSENT if row.room is None else f"{row.room:,} tokens" for row in rows
        ],
    }


def _fits_text(row: Fit) -> str:
    if row.fits is None:
        return "not known"
    longest = row.footprint.variant.context_length
    if row.fits and _too_long(row):
        return f"yes, but made for {longest:,} tokens"
    return "yes" if row.fits else "no"


def _too_long(row: Fit) -> bool:
    longest = row.footprint.variant.context_length
    return bool(longest and row.footprint.context > longest)


def _show_chart(rows: Sequence[Fit], selection: Selection, budget: float) -> None:
    measured = sorted(
        (row for row in rows if row.footprint.total is not None),
        key=lambda row: (row.footprint.total or 0, row.footprint.variant.id),
    )
    if not measured:
        return
    st.plotly_chart(
        memory_figure(
            measured[-MOST_ROWS:], selection.labels, budget, current_look(), pick_on(selection)
        ),
        key="memory_chart",
        config=CHART,
        alt=f"Memory of {len(measured[-MOST_ROWS:])} variants beside {format_bytes(budget)}.",
    )
    if budget >= FAR * (measured[-1].footprint.total or 0):
        st.caption(f"The budget, {format_bytes(budget)}, is far to the right of the chart.")
    if len(measured) > MOST_ROWS:
        st.caption(f"The {MOST_ROWS} largest of {len(measured)}; the table has all.")


def _show_notes(rows: Sequence[Fit], labels: Labels) -> None:
    """How each part is known: variants that share all notes share a line."""
    same: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        same.setdefault(row.footprint.notes, []).append(labels.full(row.footprint.variant))
    with st.expander("How these are known"):
        for notes, names in same.items():
            shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if names[4:] else "")
            st.markdown(f"**{plain(shown)}**: {plain('; '.join(notes))}.")


def _capability(row: Fit) -> float:
    capability = row.footprint.variant.capability
    return capability.value if capability is not None else 0.0


def _free_text(free: float | None) -> str:
    return f"lacks {size(-free)}" if free is not None and free < 0 else size(free)
