"""The variants that charts mark: the pick, and what is smaller or faster."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

import streamlit as st

from grid.advice import Advice, Ask
from grid.app.charts.trade_off import Highlights
from grid.app.pick.answers import LAST_ASK, answer
from grid.app.stored_result import StoredResult
from grid.app.top_bar import Selection
from grid.errors import InputError
from grid.models.identity import digest


def advice_on(selection: Selection, model: str = "") -> Advice | None:
    """What the page Pick says of the selection; `model` narrows it to one. None where it gives no
    advice."""
    try:
        return _advice(selection, model, current_ask(selection))
    except InputError:
        return None


def current_ask(selection: Selection) -> Ask:
    """The question of the page Pick as it was last drawn; where that was about another machine, or
    not drawn yet, the one without limits."""
    ask = st.session_state.get(LAST_ASK)
    plain = Ask(hardware=selection.hardware.name)
    return ask if isinstance(ask, Ask) and ask.hardware == plain.hardware else plain


def ring_text(selection: Selection) -> str:
    """What a chart's ring marks: `Ring: the pick without limits.`"""
    limited = current_ask(selection) != Ask(hardware=selection.hardware.name)
    return f"Ring: the pick {'by the limits set on Pick' if limited else 'without limits'}."


def _advice(selection: Selection, model: str, ask: Ask) -> Advice | None:
    if model:
        selection = replace(selection, filters={**selection.filters, "model": (model,)})
    return answer(selection, ask).advice


def pick_on(selection: Selection, model: str = "") -> str:
    """The id of the pick, which charts mark; empty where there is none."""
    return highlights_on(selection, model).pick


def highlights_on(selection: Selection, model: str = "", opened: str = "") -> Highlights:
    """The marks of a chart; `opened` is the id of a variant whose details are shown."""
    try:
        ask = current_ask(selection)
        marks = _marks((selection.key, model, repr(ask)), selection, model, ask)
    except InputError:  # not stored: the store may be readable the next time
        marks = Highlights()
    return replace(marks, opened=opened)


@st.cache_resource(max_entries=64, show_spinner=False)
def _marks(key: Hashable, _selection: Selection, _model: str, _ask: Ask) -> Highlights:
    """As they were derived before, for in a large store the advice takes seconds."""
    stored = StoredResult(_selection.dataset, f"marks-{digest(repr(key))}", tuple[str, str, str])
    return Highlights(*stored.get(lambda: _ids_of(_advice(_selection, _model, _ask))))


def _ids_of(advice: Advice | None) -> tuple[str, str, str]:
    """Of the pick, of what is smaller and of what is faster; empty for none."""
    if advice is None:
        return ("", "", "")
    pick, smaller, faster = (
        "" if candidate is None else candidate.variant.id
        for candidate in (advice.pick, advice.smaller, advice.faster)
    )
    return (pick, smaller, faster)
