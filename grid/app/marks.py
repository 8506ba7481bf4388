"""The variants that charts mark: the pick, and what is smaller or faster."""

from __future__ import annotations

from dataclasses import replace

from grid.advice import Advice, Ask
from grid.app.charts.trade_off import NOTHING, Highlights
from grid.app.pick.answers import answer
from grid.app.top_bar import Selection
from grid.errors import InputError


def advice_on(selection: Selection, model: str = "") -> Advice | None:
    """What the page Pick says of the selection without further limits; `model` narrows it to one.
    None where it gives no advice."""
    if model:
        selection = replace(selection, filters={**selection.filters, "model": (model,)})
    try:
        return answer(selection, Ask(hardware=selection.hardware.name)).advice
    except InputError:
        return None


def pick_on(selection: Selection, model: str = "") -> str:
    """The id of the pick, which charts mark; empty where there is none."""
    advice = advice_on(selection, model)
    return advice.pick.variant.id if advice is not None and advice.pick is not None else ""


def highlights_on(selection: Selection, model: str = "", opened: str = "") -> Highlights:
    """The marks of a chart; `opened` is the id of a variant whose details are shown."""
    advice = advice_on(selection, model)
    if advice is None:
        return replace(NOTHING, opened=opened)
    pick, smaller, faster = (
        "" if candidate is None else candidate.variant.id
        for candidate in (advice.pick, advice.smaller, advice.faster)
    )
    return Highlights(pick, smaller, faster, opened)
