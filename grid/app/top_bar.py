"""The row above a page's content: which hardware class, models and variants it shows."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from grid.advice.machine_name import short_machine_names
from grid.analysis import Posterior, Variant
from grid.analysis.dataset import Dataset, HardwareClass
from grid.analysis.posterior import subset
from grid.app import address
from grid.app.charts.labels import Labels
from grid.app.page_parts import note, show_fact, warn_third_party
from grid.app.release_memory import release
from grid.app.store import open_dataset
from grid.app.sweeps import part_of_sweep, sweep_labels
from grid.errors import InputError
from grid.models.display_names import visible

FILTERS = {"family": "Family", "format": "Format", "backend": "Engine"}


@dataclass(frozen=True)
class Selection:
    """What the bar selects: a hardware class, seen through the filters.

    `filters` has the values that pass by field of a variant, of the fields that are filtered.
    `dataset` holds one sweep's rows where one is chosen.
    """

    dataset: Dataset
    hardware: HardwareClass
    weights: Mapping[str, float] | None
    filters: Mapping[str, Sequence[str]]
    sweep: str = ""

    @cached_property
    def whole(self) -> tuple[Variant, ...]:
        """All variants of the class."""
        return tuple(self.dataset.variants(self.hardware.name, self.weights))

    @cached_property
    def variants(self) -> tuple[Variant, ...]:
        """Those that pass the filters."""
        chosen = self.filters.items()
        return tuple(v for v in self.whole if all(str(getattr(v, f)) in ok for f, ok in chosen))

    @property
    def measured(self) -> tuple[Variant, ...]:
        """Those that pass and have a capability."""
        return tuple(v for v in self.variants if v.capability is not None)

    @cached_property
    def whole_posterior(self) -> Posterior:
        """Joint draws of all variants of the class."""
        return self.dataset.posterior(self.hardware.name, self.weights)

    @cached_property
    def posterior(self) -> Posterior:
        """Joint draws of those that pass."""
        if not self.filters:
            return self.whole_posterior
        return subset(self.whole_posterior, {variant.id for variant in self.variants})

    @cached_property
    def labels(self) -> Labels:
        """Names of all variants of the class."""
        return Labels(self.whole)

    @property
    def whole_key(self) -> tuple[Hashable, ...]:
        """Equal for equal contents without filters: what pages cache their tables by."""
        weights = tuple(sorted((self.weights or {}).items()))
        store = (self.dataset.display_name, self.dataset.fingerprint, self.sweep)
        return (*store, self.hardware.name, weights)

    @property
    def key(self) -> tuple[Hashable, ...]:
        """Equal for equal contents with filters."""
        return (*self.whole_key, tuple((f, tuple(ok)) for f, ok in self.filters.items()))


def select_variants() -> Selection | None:
    """Draw the row. None where nothing is left to show, which the page then says."""
    dataset = open_dataset()
    if dataset is None:
        return None
    return select_from(dataset, bar_columns(st.container(key="bar")))


def bar_columns(place: DeltaGenerator, with_beside: bool = False) -> Sequence[DeltaGenerator]:
    """The places of the row: hardware, models, filters, and what stands beside."""
    widths = [3, 4, 2, 3] if with_beside else [3, 4, 2]
    return place.columns(widths, vertical_alignment="bottom")


def select_from(dataset: Dataset, columns: Sequence[DeltaGenerator]) -> Selection | None:
    """The same of an open store, drawn in the places of `bar_columns`."""
    left, middle, right = columns[:3]
    with left:
        hardware = choose_class(dataset)
    selection = Selection(dataset, hardware, None, {})
    place = right.popover("Filters", width="stretch") if _can_filter(selection) else right
    with place:
        selection = _choose_sweep(selection)
        selection = replace(selection, weights=_choose_weights(selection.whole))
        filters = {field: _choose_values(selection, field) for field in FILTERS}
    with middle:
        filters["model"] = _choose_values(selection, "model")
    chosen = {field: values for field, values in filters.items() if values}
    selection = replace(selection, filters=chosen)
    warn_third_party(selection.whole)
    if not selection.whole:
        note(f"Nothing on {visible(hardware.name)} gave a figure yet: see Runs for what failed.")
        return None
    if not selection.variants:
        note("No variant passes the filters. Take one off.")
        return None
    _keep_in_memory(selection.whole_key)
    return selection


def choose_class(dataset: Dataset, key: str = "hardware") -> HardwareClass:
    """A box with the store's hardware classes by their short names; of a single one its name."""
    classes = {hardware_class.name: hardware_class for hardware_class in dataset.classes}
    short = {name: visible(text) for name, text in short_machine_names(classes).items()}
    names = list(classes)
    if len(names) == 1:
        address.without_widget(key, (short[names[0]],))
        show_fact("Hardware", short[names[0]])
        return classes[names[0]]
    return classes[address.select("Hardware", names, key, short.__getitem__)]


def choose_model(selection: Selection, key: str) -> str:
    """A box with the models that pass the filters; none is drawn where there is one."""
    names = sorted({variant.model for variant in selection.variants})
    return names[0] if len(names) == 1 else address.select("Model", names, key, visible)


@st.cache_resource(max_entries=8, show_spinner=False)
def _keep_in_memory(key: Hashable) -> None:
    """Take what was read out of the garbage collection that Streamlit runs after every page: over
    the variants of a large store it takes longer than the page. Memory that only the reading used
    goes back to the system."""
    release()


def _can_filter(selection: Selection) -> bool:
    """Whether there is anything to choose behind the button."""
    variants = selection.whole
    several = any(len({getattr(v, field) for v in variants}) > 1 for field in FILTERS)
    classes = {name for variant in variants for name in variant.classes}
    sweeps = sweep_labels(selection.dataset, selection.hardware.name)
    return several or len(classes) > 1 or len(sweeps) > 1


def _choose_sweep(selection: Selection) -> Selection:
    """One sweep of several, or all."""
    labels = sweep_labels(selection.dataset, selection.hardware.name)
    if len(labels) < 2:
        address.without_widget("sweep", ())
        return selection
    sweep = address.select("Sweep", ["", *labels], "sweep", lambda key: labels.get(key, "all"))
    if not sweep:
        return selection
    return replace(selection, dataset=part_of_sweep(selection.dataset, sweep), sweep=sweep)


def _choose_weights(variants: Sequence[Variant]) -> Mapping[str, float] | None:
    """Weights of task classes as the user set them; None where all are equal."""
    names = sorted({name for variant in variants for name in variant.classes})
    if len(names) < 2:
        return None
    st.caption("Weights of the tasks. Capability is their weighted mean; equal unless changed.")
    with st.container(horizontal=True, key="weights"):
        weights = {
            name: address.enter_number(
                visible(name), f"weight_{name}", 0.0, 10.0, 1.0, 0.5, width=140
            )
            or 0.0
            for name in names
        }
    if not any(weights.values()):
        raise InputError("all weights are 0; give one task a weight above 0")
    return None if len(set(weights.values())) == 1 else weights


def _choose_values(selection: Selection, field: str) -> list[str]:
    """Values of a field that pass; empty for all. A field with one value is not drawn."""
    values = sorted({str(getattr(variant, field)) for variant in selection.whole})
    key = "engine" if field == "backend" else field
    if len(values) > 1:
        title = FILTERS.get(field, "Models")
        placeholder = "all; type to search" if field == "model" else "all"
        chosen = address.select_several(title, values, key, placeholder)
        return chosen if len(chosen) < len(values) else []  # all of them are no filter
    address.without_widget(key, values)
    if field == "model" and values:
        show_fact("Model", values[0])
    return []
