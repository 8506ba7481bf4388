"""Memory: what fits a budget at a context, and how long a context has room."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from grid.advice import BUDGETS_GB
from grid.analysis.memory import KV_TYPES, Fit, fits
from grid.app.charts.labels import Labels
from grid.app.charts.memory import FAR, memory_figure
from grid.app.page_parts import CHART, answer, current_look, heading, show_table
from grid.app.pages import Page
from grid.app.sidebar import Selection, select_variants
from grid.units import GIB, format_bytes

PAGE = Page("Memory", path="memory", rank=50)

CONTEXTS = (512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072)
CONTEXT = 4096
OTHER = "other"
MOST_ROWS = 20
"""Variants in the chart; the table has all."""


def draw() -> None:
    heading("What fits in memory?")
    view = select_variants()
    if view is None:
        return
    left, middle, right = st.columns([2, 2, 1])
    budget = _budget(left)
    context = middle.select_slider(
        "Context", CONTEXTS, CONTEXT, key="memory_context", persist_state="session",
        format_func=lambda tokens: f"{tokens:,}",
    )  # fmt: skip
    kv_type = right.selectbox(
        "KV cache", list(KV_TYPES), list(KV_TYPES).index("f16"), key="memory_kv",
        persist_state="session",
    )  # fmt: skip
    found = fits(view.variants, budget, context, kv_type)
    answer(sentence(found, view.labels, budget, context))
    st.caption(
        "Weights + KV cache of the whole context + the engine's overhead. What the system and the "
        "desktop take is not in it: give what is really free, or see Advise, which knows machines."
    )
    _chart(found, view, budget)
    show_table(table(found, view.labels), "memory_table")
    _notes(found, view.labels)


def sentence(found: Sequence[Fit], labels: Labels, budget: float, context: int) -> str:
    """How many fit, the most capable of them, and the room it leaves."""
    known = [one for one in found if one.fits is not None]
    inside = [one for one in known if one.fits]
    where = f"{format_bytes(budget)} with {context:,} tokens of context"
    if not known:
        return "Of no variant it is known what its KV cache takes."
    if not inside:
        least = min(known, key=lambda one: (one.footprint.total or 0, one.footprint.variant.id))
        return (
            f"Nothing fits {where}: the smallest, {labels.full(least.footprint.variant)}, needs "
            f"{format_bytes(least.footprint.total or 0)}."
        )
    text = f"{len(inside)} of {len(known)} fit {where}."
    able = [one for one in inside if one.footprint.variant.capability is not None]
    if able:
        best = max(able, key=_capability)
        text += f" The most capable that fits is {labels.full(best.footprint.variant)}"
        text += f", with room for {best.room:,} tokens." if best.room else "."
    short = sum(_too_long(one) for one in inside)
    if short:
        text += f" {short} of these were made for a shorter context."
    return text


def table(found: Sequence[Fit], labels: Labels) -> dict[str, list[str]]:
    """One row a variant."""
    return {
        "variant": [labels.full(one.footprint.variant) for one in found],
        "fits": [_fits(one) for one in found],
        "total": [_bytes(one.footprint.total) for one in found],
        "weights": [format_bytes(one.footprint.weights) for one in found],
        "KV cache": [_bytes(one.footprint.kv) for one in found],
        "overhead": [format_bytes(one.footprint.overhead) for one in found],
        "left": [_left(one.free) for one in found],
        "room for context": ["-" if one.room is None else f"{one.room:,} tokens" for one in found],
    }


def _fits(one: Fit) -> str:
    if one.fits is None:
        return "not known"
    longest = one.footprint.variant.context_length
    if one.fits and _too_long(one):
        return f"yes, but made for {longest:,} tokens"
    return "yes" if one.fits else "no"


def _too_long(one: Fit) -> bool:
    longest = one.footprint.variant.context_length
    return bool(longest and one.footprint.context > longest)


def _budget(place: st.delta_generator.DeltaGenerator) -> float:
    chosen = place.selectbox(
        "Memory", [*map(str, BUDGETS_GB), OTHER], 0, key="memory_budget", persist_state="session",
        format_func=lambda name: name if name == OTHER else f"{name} GiB",
    )  # fmt: skip
    if chosen != OTHER:
        return float(chosen) * GIB
    return GIB * place.number_input(
        "GiB", 0.01, 4096.0, 6.0, 0.5, key="memory_other", persist_state="session"
    )


def _chart(found: Sequence[Fit], view: Selection, budget: float) -> None:
    known = sorted(
        (one for one in found if one.footprint.total is not None),
        key=lambda one: (one.footprint.total or 0, one.footprint.variant.id),
    )
    if not known:
        return
    drawn = memory_figure(known[-MOST_ROWS:], view.labels, budget, current_look())
    st.plotly_chart(drawn, key="memory_chart", config=CHART)
    if budget >= FAR * (known[-1].footprint.total or 0):
        st.caption(f"The budget, {format_bytes(budget)}, is far to the right of the chart.")
    if len(known) > MOST_ROWS:
        st.caption(f"The {MOST_ROWS} largest of {len(known)}; the table has all.")


def _notes(found: Sequence[Fit], labels: Labels) -> None:
    """How each part is known: variants that share all notes share a line."""
    same: dict[tuple[str, ...], list[str]] = {}
    for one in found:
        same.setdefault(one.footprint.notes, []).append(labels.full(one.footprint.variant))
    with st.expander("How these are known"):
        for notes, names in same.items():
            shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if names[4:] else "")
            st.markdown(f"**{shown}**: {'; '.join(notes)}.")


def _capability(one: Fit) -> float:
    found = one.footprint.variant.capability
    return found.value if found is not None else 0.0


def _bytes(count: float | None) -> str:
    return "-" if count is None else format_bytes(count)


def _left(free: float | None) -> str:
    if free is None:
        return "-"
    return format_bytes(free) if free >= 0 else f"lacks {format_bytes(-free)}"
