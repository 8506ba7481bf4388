"""The store that the explorer shows, and the form that turns to another."""

from __future__ import annotations

import os

import streamlit as st

from grid.advice.offered_rows import offered_rows
from grid.analysis.dataset import Dataset, fingerprint
from grid.app import address
from grid.app.page_parts import plain
from grid.models.display_names import visible
from grid.results.problems import explain_no_results

STORE = "QUANTGRID_STORE"
"""Names the store that the app opens; without it ./results."""

PARAMETER = "store"
"""The address's parameter for another store than that."""

FRESH_S = 2.0
"""A store's list of files is at most this old."""


def store_address() -> str:
    """The folder or URI of the open store."""
    place = st.query_params.get(PARAMETER, "")
    return place if place and place in _opened_by_hand() else _first_store()


def _first_store() -> str:
    return os.environ.get(STORE) or "results"


@st.cache_resource(show_spinner=False)
def _opened_by_hand() -> set[str]:
    """Stores that a user of this server opened. A link alone opens none: whoever wrote it would
    choose what this machine reads."""
    return set()


def store_form() -> None:
    """Draw a field for another store."""
    with st.form("store_form", border=False):
        place = st.text_input(
            "Folder or URI", visible(store_address()), help="What `grid sweep --store` was given."
        )
        if st.form_submit_button("Open", width="stretch") and place.strip():
            switch_store(place.strip())


def switch_store(place: str) -> None:
    """Turn to another store and draw the page again."""
    _opened_by_hand().add(place)
    if place == _first_store():
        st.query_params.pop(PARAMETER, None)
    else:
        st.query_params[PARAMETER] = place
    st.rerun()


def open_dataset() -> Dataset | None:
    """The store's rows; None where there are none, and then the page says what to do.

    Raises InputError where the place cannot be read.
    """
    place = store_address()
    if place != _first_store():
        address.set_parameter(PARAMETER, place)
    _offer_linked_store(place)
    dataset = _dataset(place, _fingerprint(place))
    _show_problems(dataset)
    if dataset.is_empty:
        _show_first_steps(dataset)
        return None
    return dataset


def _offer_linked_store(place: str) -> None:
    """A store that the address names and nobody opened yet is opened by a press of a button."""
    linked = st.query_params.get(PARAMETER, "")
    if not linked or linked == place:
        return
    st.warning(f"This link is of another store: {plain(linked)}. Shown is {plain(place)}.")
    if st.button("Open the store of the link"):
        switch_store(linked)


def _show_problems(dataset: Dataset) -> None:
    if dataset.problems:
        count = len(dataset.problems)
        with st.expander(f"{count} file{'s' if count > 1 else ''} of the store left out"):
            for problem in dataset.problems:
                st.text(visible(f"{problem.file}: {problem.reason}"))


def _show_first_steps(dataset: Dataset) -> None:
    name = visible(dataset.display_name)
    if dataset.problems:
        st.markdown(
            f"**Nothing can be read.** {plain(explain_no_results(name, dataset.problems))}."
        )
        return
    st.markdown("**No results yet.** This measures the models of this machine and fills the store:")
    st.code(f"grid sweep --store {name}", language="bash")
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
    return offered_rows(Dataset(place))
