"""Memory: what fits a budget at a context, and how long a context has room."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from grid.advice import BUDGETS_GB
from grid.analysis.figures import ABSENT, size
from grid.analysis.memory import KV_TYPES, Fit, fits
from grid.app.charts.labels import Labels
from grid.app.charts.memory import FAR, memory_figure
from grid.app.page_parts import CHART, answer, current_look, heading, show_table
from grid.app.sidebar import Selection, select_variants
from grid.units import GIB, format_bytes

CONTEXTS = (512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072)
CONTEXT = 4096
TYPED = "other"
MOST_ROWS = 20
"""Variants in the chart; the table has all."""


def draw() -> None:
    heading("What fits in memory?")
    selection = select_variants()
    if selection is None:
        return
    left, middle, right = st.columns([2, 2, 1])
    budget = _choose_budget(left)
    context = middle.select_slider(
        "Context", CONTEXTS, CONTEXT, key="memory_context", persist_state="session",
        format_func=lambda tokens: f"{tokens:,}",
    )  # fmt: skip
    kv_type = right.selectbox(
        "KV cache", list(KV_TYPES), list(KV_TYPES).index("f16"), key="memory_kv",
        persist_state="session",
    )  # fmt: skip
    rows = fits(selection.variants, budget, context, kv_type)
    answer(sentence(rows, selection.labels, budget, context))
    st.caption(
        "Weights + KV cache of the whole context + the engine's overhead. What the system and the "
        "desktop take is not in it: give what is really free, or see Advise, which knows machines."
    )
    _show_chart(rows, selection, budget)
    show_table(table(rows, selection.labels), "memory_table")
    _show_notes(rows, selection.labels)


def sentence(rows: Sequence[Fit], labels: Labels, budget: float, context: int) -> str:
    """How many fit, the most capable of them, and the room it leaves."""
    measured = [row for row in rows if row.fits is not None]
    inside = [row for row in measured if row.fits]
    where = f"{format_bytes(budget)} with {context:,} tokens of context"
    if not measured:
        return "Of no variant it is known what its KV cache takes."
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
        "variant": [labels.full(row.footprint.variant) for row in rows],
        "fits": [_fits_text(row) for row in rows],
        "total": [size(row.footprint.total) for row in rows],
        "weights": [size(row.footprint.weights) for row in rows],
        "KV cache": [size(row.footprint.kv) for row in rows],
        "overhead": [size(row.footprint.overhead) for row in rows],
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


def _choose_budget(place: st.delta_generator.DeltaGenerator) -> float:
    chosen = place.selectbox(
        "Memory", [*map(str, BUDGETS_GB), TYPED], 0, key="memory_budget", persist_state="session",
        format_func=lambda name: name if name == TYPED else f"{name} GiB",
    )  # fmt: skip
    if chosen != TYPED:
        return float(chosen) * GIB
    return GIB * place.number_input(
        "GiB", 0.01, 4096.0, 6.0, 0.5, key="memory_other", persist_state="session"
    )


def _show_chart(rows: Sequence[Fit], selection: Selection, budget: float) -> None:
    measured = sorted(
        (row for row in rows if row.footprint.total is not None),
        key=lambda row: (row.footprint.total or 0, row.footprint.variant.id),
    )
    if not measured:
        return
    chart = memory_figure(measured[-MOST_ROWS:], selection.labels, budget, current_look())
    st.plotly_chart(chart, key="memory_chart", config=CHART)
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
            st.markdown(f"**{shown}**: {'; '.join(notes)}.")


def _capability(row: Fit) -> float:
    capability = row.footprint.variant.capability
    return capability.value if capability is not None else 0.0


def _free_text(free: float | None) -> str:
    return f"lacks {size(-free)}" if free is not None and free < 0 else size(free)
