"""Advice for the page Pick: on what the bar selects, and on a second machine or sweep beside it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

import streamlit as st

from grid.advice import Advice, Ask
from grid.advice.advice import Candidate
from grid.advice.advice_quality import SeveralModels
from grid.advice.machine_name import short_machine_names
from grid.advice.recommend import AdviceBasis, advice_basis, answer_of
from grid.advice.serving import Serving, serving_of
from grid.analysis.dataset import Dataset
from grid.app import address
from grid.app.sweeps import part_of_sweep, sweep_labels
from grid.app.top_bar import Selection
from grid.models.display_names import visible

NOTHING = "nothing"
LAST_ASK = "last_ask"
"""Key of the session's state: the question that the page asked last."""


@dataclass(frozen=True)
class PickAnswer:
    """Advice with what it rests on, for what `selection` holds. `title` tells it from the one
    beside it; `chosen_model` is the model that it is about where nothing compares the models."""

    selection: Selection
    basis: AdviceBasis
    advice: Advice
    title: str = ""
    chosen_model: str = ""

    def serving(self, candidate: Candidate) -> Serving | None:
        """How a candidate is run on the machine."""
        return serving_of(self.basis.dataset, self.basis.machine, self.basis.ask, candidate)


def answer(selection: Selection, ask: Ask, title: str = "") -> PickAnswer:
    """The advice on what passes the filters. Raises InputError where there is none."""
    models = selection.filters.get("model", ())
    if len(models) == 1:
        ask = replace(ask, model=models[0])
    if selection.weights:
        ask = replace(ask, weights=selection.weights)
    key = (*selection.key, repr(ask))
    try:
        return PickAnswer(selection, *_advice(key, selection, ask), title)
    except SeveralModels as error:
        model = error.models[0]
        key = (*selection.key, repr(replace(ask, model=model)))
        return PickAnswer(
            selection, *_advice(key, selection, replace(ask, model=model)), title, model
        )


@st.cache_resource(max_entries=16, show_spinner="Weighing the candidates")
def _advice(key: Hashable, _selection: Selection, _ask: Ask) -> tuple[AdviceBasis, Advice]:
    basis = advice_basis(_filtered(_selection), _ask)
    return basis, answer_of(basis)


def _filtered(selection: Selection) -> Dataset:
    """The store as if it held only what passes the filters. A single model is left to the advice,
    which narrows to it as the command does."""
    filters = dict(selection.filters)
    if len(filters.get("model", ())) == 1:
        del filters["model"]
    if not filters:
        return selection.dataset
    import pyarrow.compute as pc

    conditions = [pc.field(name).isin(list(values)) for name, values in filters.items()]
    condition = conditions[0]
    for further in conditions[1:]:
        condition = condition & further
    return selection.dataset.filter(condition)


def can_stand_beside(dataset: Dataset) -> bool:
    """Whether the store has a second hardware class or sweep."""
    several = len(dataset.classes) > 1
    return several or len(sweep_labels(dataset, dataset.classes[0].name)) > 1


def choose_beside(selection: Selection, dataset: Dataset) -> tuple[Selection, str] | None:
    """A box with the other hardware classes and sweeps of the store: what to show beside the
    selection, and its title. None where nothing is chosen; not drawn where there is nothing."""
    options = {NOTHING: "nothing"} | _machines_beside(selection, dataset)
    labels = sweep_labels(dataset, selection.hardware.name)
    if len(labels) > 1:
        options |= {f"sweep {i}": f"sweep {text}" for i, text in labels.items()}
    options.pop(f"sweep {selection.sweep}", None)
    if len(options) == 1:
        address.without_widget("beside", ())
        return None
    chosen = address.select("Beside it", list(options), "beside", options.__getitem__)
    if chosen == NOTHING:
        return None
    kind, _, name = chosen.partition(" ")
    if kind == "sweep":
        part = replace(selection, dataset=part_of_sweep(dataset, name), sweep=name)
        return part, options[chosen]
    hardware = next(c for c in dataset.classes if c.name == name)
    return replace(selection, hardware=hardware), options[chosen]


def _machines_beside(selection: Selection, dataset: Dataset) -> dict[str, str]:
    names = short_machine_names(c.name for c in dataset.classes)
    return {
        f"hardware {name}": visible(short)
        for name, short in names.items()
        if name != selection.hardware.name
    }
