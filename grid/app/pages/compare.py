"""Compare: two variants' figures side by side, and the outputs of several to one prompt."""

from __future__ import annotations

import streamlit as st

from grid.app.page_parts import heading
from grid.app.sections.compare_figures import draw_figures
from grid.app.sections.compare_outputs import draw_outputs
from grid.app.store import store_address
from grid.app.top_bar import select_variants


def draw() -> None:
    heading("Compare")
    selection = select_variants()
    if selection is None:
        return
    draw_figures(selection)
    if not all(hardware_class.has_imports for hardware_class in selection.dataset.classes):
        st.divider()
        draw_outputs(selection.dataset, store_address())
