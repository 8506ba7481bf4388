"""What stands at the top right of every page: the store, a link to the page, and exports."""

from __future__ import annotations

import streamlit as st

from grid.app import address
from grid.app.import_export import EXPORTS, exporter
from grid.app.store import store_address, store_form


def draw_tools() -> None:
    """Draw them: after the page, since the link carries what was chosen on it."""
    with st.container(key="tools", horizontal=True):
        with st.popover("Store", icon=":material/database:", help="Open another store"):
            store_form()
        with st.popover("Share", icon=":material/link:", help="A link to this page"):
            st.caption("This link opens the page with all that is chosen.")
            st.code(address.link(), language=None, wrap_lines=True)
        with st.popover("Export", icon=":material/download:", help="All rows as a file"):
            _draw_exports(store_address())


def _draw_exports(store: str) -> None:
    st.caption("One row a cell, a column for each metric and its interval.")
    with st.container(horizontal=True):
        for form, mime in EXPORTS.items():
            st.download_button(
                form, exporter(store, form), f"quantgrid.{form}", mime, key=f"tool_export_{form}",
                on_click="ignore",
            )  # fmt: skip
