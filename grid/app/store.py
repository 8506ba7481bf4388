"""The store that the explorer shows, and the box in the sidebar that turns to another."""

from __future__ import annotations

import os

import streamlit as st

from grid.analysis.dataset import Dataset, fingerprint
from grid.app.page_parts import heading
from grid.results.problems import explain_no_results

STORE = "QUANTGRID_STORE"
"""Names the store that the app opens; without it ./results."""

FRESH_S = 2.0
"""A store's list of files is at most this old."""


def store_address() -> str:
    """The folder or URI of the open store."""
    return str(st.session_state.get("store_now") or os.environ.get(STORE) or "results")


def store_box() -> None:
    """Draw the sidebar's last box: which store is open, and a field for another."""
    with st.sidebar, st.expander("Store"), st.form("store_form", border=False):
        place = st.text_input(
            "Folder or URI", store_address(), help="What `grid sweep --store` was given."
        )
        if st.form_submit_button("Open", width="stretch"):
            switch_store(place.strip())


def switch_store(place: str) -> None:
    """Turn to another store and draw the page again."""
    st.session_state["store_now"] = place
    st.rerun()


def open_dataset() -> Dataset | None:
    """The store's rows; None where there are none, and then the page says what to do.

    Raises InputError where the place cannot be read.
    """
    place = store_address()
    dataset = _dataset(place, _fingerprint(place))
    _show_problems(dataset)
    if dataset.is_empty:
        _show_first_steps(dataset)
        return None
    return dataset


def _show_problems(dataset: Dataset) -> None:
    if dataset.problems:
        count = len(dataset.problems)
        with st.expander(f"{count} file{'s' if count > 1 else ''} of the store left out"):
            for problem in dataset.problems:
                st.text(f"{problem.file}: {problem.reason}")


def _show_first_steps(dataset: Dataset) -> None:
    if dataset.problems:
        heading("Nothing can be read")
        st.markdown(f"{explain_no_results(dataset.display_name, dataset.problems)}.")
        return
    heading("No results yet")
    st.markdown(f"`{dataset.display_name}` has no rows. This fills it:")
    st.code(f"grid sweep --store {dataset.display_name}", language="bash")
    st.markdown(
        "Until then the tables that others published can be looked at. They are third-party "
        "figures, and marked so on every page."
    )
    if st.button("Open the published tables", type="primary"):
        from grid.results.imports import published_store

        switch_store(published_store())


@st.cache_data(ttl=FRESH_S, show_spinner=False)
def _fingerprint(place: str) -> str:
    return fingerprint(place)


@st.cache_resource(max_entries=3, show_spinner="Reading the store")
def _dataset(place: str, state: str) -> Dataset:
    return Dataset(place)
