"""What pages share: the store, the hardware class, filters, weights, and how things are said."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from grid.analysis import Posterior, Variant
from grid.analysis.dataset import Dataset, HardwareClass, fingerprint
from grid.analysis.posterior import subset
from grid.app import release_memory as heap
from grid.app.charts.labels import Labels
from grid.app.charts.theme import Look
from grid.errors import InputError
from grid.results.problems import nothing_there

if TYPE_CHECKING:
    import pandas as pd

STORE = "QUANTGRID_STORE"
"""Names the store that the app opens; without it ./results."""

FRESH_S = 2.0
"""A store's list of files is at most this old."""

LONG = 100
"""Rows that a table shows at first."""

CHART = {"displayModeBar": False, "scrollZoom": False, "responsive": True}
"""How Plotly behaves in the page: a chart never takes the page's scrolling."""

STYLE = """
<style>
  [data-testid="stMainBlockContainer"] { padding-top: 3.2rem; padding-bottom: 2rem; }
  @media (max-width: 640px) {
    [data-testid="stMainBlockContainer"] { padding-left: 0.9rem; padding-right: 0.9rem; }
  }
</style>
"""


@dataclass(frozen=True)
class View:
    """What the sidebar asks for: a hardware class, seen through the filters.

    `belief` holds the variants that pass; `whole` all of the class.
    """

    dataset: Dataset
    hardware: HardwareClass
    weights: Mapping[str, float] | None
    belief: Posterior
    whole: Posterior
    labels: Labels

    @property
    def key(self) -> Hashable:
        """Equal for equal contents: what pages cache their tables by."""
        return (*self.whole_key, frozenset(variant.id for variant in self.variants))

    @property
    def whole_key(self) -> tuple[Hashable, ...]:
        """The same of what is there without filters."""
        weights = tuple(sorted((self.weights or {}).items()))
        return (self.dataset.shown, self.dataset.fingerprint, self.hardware.name, weights)

    @property
    def variants(self) -> tuple[Variant, ...]:
        return self.belief.variants

    @property
    def measured(self) -> tuple[Variant, ...]:
        """Those with a capability."""
        return tuple(v for v in self.variants if v.capability is not None)


def opened() -> Dataset | None:
    """The store's rows; None where there are none, with what to do said on the page.

    Raises InputError where the place cannot be read.
    """
    place = store()
    dataset = _dataset(place, _fingerprint(place))
    _problems(dataset)
    if dataset.empty:
        _nothing(dataset)
        return None
    return dataset


def view() -> View | None:
    """The hardware class of the sidebar, through its filters; None where nothing is left to show,
    which the page then says."""
    dataset = opened()
    if dataset is None:
        return None
    with st.sidebar:
        hardware = choose_class(dataset)
        whole = dataset.belief(hardware.name)
        weights = _weights(whole.variants)
        if weights:
            whole = dataset.belief(hardware.name, weights)
        kept = _filters(whole.variants)
    third_party(whole.variants)
    if not whole.variants:
        said(f"Nothing on {hardware.name} gave a figure yet: see Runs for what failed.")
        return None
    if not kept:
        said("No variant passes the filters of the sidebar. Take one off.")
        return None
    belief = whole if len(kept) == len(whole.variants) else subset(whole, kept)
    seen = View(dataset, hardware, weights, belief, whole, Labels(whole.variants))
    _lasting(seen.whole_key)
    return seen


def choose_class(dataset: Dataset, key: str = "hardware") -> HardwareClass:
    """A box with the store's hardware classes."""
    names = [one.name for one in dataset.classes]
    if st.session_state.get(key) not in names:
        st.session_state.pop(key, None)
    name = st.selectbox("Hardware class", names, key=key, persist_state="session")
    return dataset.classes[names.index(name)]


def choose_model(view: View, key: str) -> str:
    """A box with the models that pass the filters; none is drawn where there is one."""
    names = sorted({variant.model for variant in view.variants})
    if len(names) == 1:
        return names[0]
    if st.session_state.get(key) not in names:
        st.session_state.pop(key, None)
    return st.selectbox("Model", names, key=key, persist_state="session")


def store() -> str:
    """Where the rows are: what the box in the sidebar says."""
    return str(st.session_state.get("store_now") or os.environ.get(STORE) or "results")


def store_box() -> None:
    """The last thing in the sidebar: which store is open, and another."""
    with st.sidebar, st.expander("Store"), st.form("store_form", border=False):
        place = st.text_input("Folder or URI", store(), help="What `grid sweep --store` was given.")
        if st.form_submit_button("Open", width="stretch"):
            open_store(place.strip())


def open_store(place: str) -> None:
    """Turn to another store and draw the page again."""
    st.session_state["store_now"] = place
    st.rerun()


def question(text: str) -> None:
    """The page's heading."""
    st.header(text, anchor=False)


def answer(text: str) -> None:
    """What the figures say, above the chart."""
    st.markdown(f"**{text}**")


def said(text: str) -> None:
    """A plain sentence where there is nothing to draw."""
    st.info(text)


def table(rows: Mapping[str, Sequence[object]] | pd.DataFrame, key: str) -> None:
    """A table as wide as the page: of more than `LONG` rows the first, until all are asked for. Its
    box carries the key, as a chart's does."""
    import pandas as pd

    shown = pd.DataFrame(rows)
    if len(shown) > LONG and not st.toggle(f"Show all {len(shown):,} rows", key=f"{key}_all"):
        shown = shown.head(LONG)
    with st.container(key=key):
        st.dataframe(shown, hide_index=True)


def third_party(variants: Iterable[Variant]) -> None:
    """Says so where figures are not quantgrid's."""
    sources = sorted({(v.origin, v.licence) for v in variants if v.origin})
    if sources:
        named = "; ".join(
            f"{origin}, licence {licence or 'not stated'}" for origin, licence in sources
        )
        st.warning(f"Third-party figures: {named}. quantgrid did not measure them.")


def look() -> Look:
    """Colours for the viewer's theme."""
    return Look(dark=st.context.theme.type == "dark")


def style() -> None:
    """Margins that leave room for charts on a phone."""
    st.html(STYLE)


def _problems(dataset: Dataset) -> None:
    if dataset.problems:
        count = len(dataset.problems)
        with st.expander(f"{count} file{'s' if count > 1 else ''} of the store left out"):
            for problem in dataset.problems:
                st.text(f"{problem.file}: {problem.reason}")


def _nothing(dataset: Dataset) -> None:
    if dataset.problems:
        question("Nothing can be read")
        st.markdown(f"{nothing_there(dataset.shown, dataset.problems)}.")
        return
    question("No results yet")
    st.markdown(f"`{dataset.shown}` has no rows. This fills it:")
    st.code(f"grid sweep --store {dataset.shown}", language="bash")
    st.markdown(
        "Until then the tables that others published can be looked at. They are third-party "
        "figures, and marked so on every page."
    )
    if st.button("Open the published tables", type="primary"):
        from grid.results.imports import published_store

        open_store(published_store())


@st.cache_resource(max_entries=8, show_spinner=False)
def _lasting(key: Hashable) -> None:
    """Spare what was read the search for garbage that Streamlit makes after every run of a page:
    over the variants of a large store it takes longer than the page. What only the reading took
    goes back to the system."""
    heap.give_back()


@st.cache_data(ttl=FRESH_S, show_spinner=False)
def _fingerprint(place: str) -> str:
    return fingerprint(place)


@st.cache_resource(max_entries=3, show_spinner="Reading the store")
def _dataset(place: str, state: str) -> Dataset:
    return Dataset(place)


def _weights(variants: Sequence[Variant]) -> Mapping[str, float] | None:
    """Weights of task classes as the user set them; None where all are equal."""
    names = sorted({name for variant in variants for name in variant.classes})
    if len(names) < 2:
        return None
    with st.expander("Weights of the tasks"):
        st.caption("Capability is the weighted mean of these. Equal unless you change them.")
        given = {
            name: st.number_input(
                name, 0.0, 10.0, 1.0, 0.5, key=f"weight_{name}", persist_state="session"
            )
            for name in names
        }
    if not any(given.values()):
        raise InputError("all weights are 0; give one task a weight above 0")
    return None if len(set(given.values())) == 1 else given


FILTERS = {"model": "Model", "family": "Family", "format": "Format", "backend": "Engine"}


def _filters(variants: Sequence[Variant]) -> set[str]:
    """Ids of the variants that pass. A filter with one choice is not shown."""
    kept = {variant.id for variant in variants}
    for field, title in FILTERS.items():
        values = sorted({str(getattr(variant, field)) for variant in variants})
        if len(values) > 1:
            chosen = st.multiselect(
                title, values, key=f"filter_{field}", placeholder="all", persist_state="session"
            )
            kept &= {v.id for v in variants if not chosen or getattr(v, field) in chosen}
    return kept
