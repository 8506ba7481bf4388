"""What the sidebar selects: a hardware class, filters on its variants, and weights of the tasks."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from grid.analysis import Posterior, Variant
from grid.analysis.dataset import Dataset, HardwareClass
from grid.analysis.posterior import subset
from grid.app.charts.labels import Labels
from grid.app.page_parts import note, warn_third_party
from grid.app.release_memory import release
from grid.app.store import open_dataset
from grid.errors import InputError


@dataclass(frozen=True)
class Selection:
    """What the sidebar selects: a hardware class, seen through the filters.

    `posterior` holds the variants that pass, `whole_posterior` all of the class.
    """

    dataset: Dataset
    hardware: HardwareClass
    weights: Mapping[str, float] | None
    posterior: Posterior
    whole_posterior: Posterior
    labels: Labels

    @property
    def whole_key(self) -> tuple[Hashable, ...]:
        """Equal for equal contents without filters: what pages cache their tables by."""
        weights = tuple(sorted((self.weights or {}).items()))
        return (self.dataset.display_name, self.dataset.fingerprint, self.hardware.name, weights)

    @property
    def variants(self) -> tuple[Variant, ...]:
        return self.posterior.variants

    @property
    def measured(self) -> tuple[Variant, ...]:
        """Those with a capability."""
        return tuple(v for v in self.variants if v.capability is not None)


def select_variants() -> Selection | None:
    """The hardware class of the sidebar, through its filters; None where nothing is left to show,
    which the page then says."""
    dataset = open_dataset()
    if dataset is None:
        return None
    with st.sidebar:
        hardware = choose_class(dataset)
        whole = dataset.posterior(hardware.name)
        weights = _choose_weights(whole.variants)
        if weights:
            whole = dataset.posterior(hardware.name, weights)
        passing = _choose_filters(whole.variants)
    warn_third_party(whole.variants)
    if not whole.variants:
        note(f"Nothing on {hardware.name} gave a figure yet: see Runs for what failed.")
        return None
    if not passing:
        note("No variant passes the filters of the sidebar. Take one off.")
        return None
    posterior = whole if len(passing) == len(whole.variants) else subset(whole, passing)
    selection = Selection(dataset, hardware, weights, posterior, whole, Labels(whole.variants))
    _keep_in_memory(selection.whole_key)
    return selection


def choose_class(dataset: Dataset, key: str = "hardware") -> HardwareClass:
    """A box with the store's hardware classes."""
    names = [hardware_class.name for hardware_class in dataset.classes]
    if st.session_state.get(key) not in names:
        st.session_state.pop(key, None)
    name = st.selectbox("Hardware class", names, key=key, persist_state="session")
    return dataset.classes[names.index(name)]


def choose_model(selection: Selection, key: str) -> str:
    """A box with the models that pass the filters; none is drawn where there is one."""
    names = sorted({variant.model for variant in selection.variants})
    if len(names) == 1:
        return names[0]
    if st.session_state.get(key) not in names:
        st.session_state.pop(key, None)
    return st.selectbox("Model", names, key=key, persist_state="session")


@st.cache_resource(max_entries=8, show_spinner=False)
def _keep_in_memory(key: Hashable) -> None:
    """Take what was read out of the garbage collection that Streamlit runs after every page: over
    the variants of a large store it takes longer than the page. Memory that only the reading used
    goes back to the system."""
    release()


def _choose_weights(variants: Sequence[Variant]) -> Mapping[str, float] | None:
    """Weights of task classes as the user set them; None where all are equal."""
    names = sorted({name for variant in variants for name in variant.classes})
    if len(names) < 2:
        return None
    with st.expander("Weights of the tasks"):
        st.caption("Capability is the weighted mean of these. Equal unless you change them.")
        weights = {
            name: st.number_input(
                name, 0.0, 10.0, 1.0, 0.5, key=f"weight_{name}", persist_state="session"
            )
            for name in names
        }
    if not any(weights.values()):
        raise InputError("all weights are 0; give one task a weight above 0")
    return None if len(set(weights.values())) == 1 else weights


FILTERS = {"model": "Model", "family": "Family", "format": "Format", "backend": "Engine"}


def _choose_filters(variants: Sequence[Variant]) -> set[str]:
    """Ids of the variants that pass. A filter with one choice is not shown."""
    passing = {variant.id for variant in variants}
    for field, title in FILTERS.items():
        values = sorted({str(getattr(variant, field)) for variant in variants})
        if len(values) > 1:
            chosen = st.multiselect(
                title, values, key=f"filter_{field}", placeholder="all", persist_state="session"
            )
            passing &= {v.id for v in variants if not chosen or getattr(v, field) in chosen}
    return passing
