"""The figures of two variants side by side."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from grid.advice import Candidate
from grid.app import address
from grid.app.marks import advice_on
from grid.app.page_parts import answer, plain
from grid.app.pick.details import details_html
from grid.app.top_bar import Selection
from grid.models.display_names import visible

FIRST, SECOND = "variant", "with"
"""Keys of the boxes: the same as on Pick, so that a link carries the choice."""


def draw_figures(selection: Selection) -> None:
    """Boxes for two variants and their figures; nothing where there is only one, or no advice."""
    candidates = _candidates(selection)
    if len(candidates) < 2:
        address.without_widget(FIRST, list(candidates))
        address.without_widget(SECOND, list(candidates))
        return
    names = list(candidates)
    left, right = st.columns(2)
    with left:
        first = address.select("Variant", names, FIRST, visible)
    others = [name for name in names if name != first]
    with right:
        second = address.select("Compare with", others, SECOND, visible)
    before, after = candidates[first], candidates[second]
    answer(plain(sentence(before, after, first, second)))
    st.html(details_html([before, after], [first, second]))


def _candidates(selection: Selection) -> Mapping[str, Candidate]:
    """By name, the pick first. Where models do not compare they are those of the pick's model."""
    advice = advice_on(selection)
    if advice is None:
        return {}
    labels = selection.labels
    passing = {variant.id for variant in selection.variants}
    pick = advice.pick.variant.id if advice.pick else ""
    mine = [c for c in advice.candidates if c.variant.id in passing]
    ordered = sorted(mine, key=lambda c: (c.variant.id != pick, -c.variant.artifact_bytes))
    return {labels.full(candidate.variant): candidate for candidate in ordered}


def sentence(first: Candidate, second: Candidate, name: str, other_name: str) -> str:
    """`Against A, B is 0.48 times the size and has 0.031 less quality.`"""
    before, after = first.variant, second.variant
    parts = []
    if before.artifact_bytes and after.artifact_bytes:
        ratio = after.artifact_bytes / before.artifact_bytes
        size = "as large" if 0.995 < ratio < 1.005 else f"{ratio:.2f} times the size"
        parts.append(f"is {size}")
    if before.decode_tps is not None and after.decode_tps is not None:
        ratio = after.decode_tps.value / before.decode_tps.value
        parts.append(f"decodes at {ratio:.2f} times the rate")
    if before.capability is not None and after.capability is not None:
        change = after.capability.value - before.capability.value
        parts.append(f"has {abs(change):.3f} {'more' if change >= 0 else 'less'} quality")
    if not parts:
        return f"{other_name} beside {name}."
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"Against {name}, {other_name} {listed}."
