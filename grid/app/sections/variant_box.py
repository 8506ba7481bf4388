"""A box with the variants of a selection, and the measurements of the one that is chosen."""

from __future__ import annotations

import streamlit as st

from grid.analysis import Variant
from grid.app import address
from grid.app.top_bar import Selection
from grid.app.variant_details import show_variant
from grid.models.display_names import visible

KEY = "variant"


def choose_variant(selection: Selection) -> Variant | None:
    """The variant whose measurements are shown; None where none is chosen."""
    passing = {variant.id for variant in selection.variants}
    names = {n: v for n, v in selection.labels.by_text().items() if v.id in passing}
    name = address.select_optional(
        "Details of", list(names), KEY, visible, placeholder="Click a point, or choose one"
    )
    return names[name] if name else None


def open_clicked(selection: Selection, chart: str) -> None:
    """A click on a point of a chart is a choice in the box."""
    names = {variant.id: selection.labels.full(variant) for variant in selection.whole}
    for point in st.session_state[chart].selection.points:
        data = point.get("customdata")
        variant_id = str(data[0] if isinstance(data, list) and data else data)
        if variant_id in names:
            st.session_state[KEY] = names[variant_id]


def show_chosen(selection: Selection, variant: Variant | None, key: str) -> None:
    """All that was measured of the chosen one."""
    if variant is not None:
        name = visible(selection.labels.full(variant))
        show_variant(selection.dataset, variant, name, key)
