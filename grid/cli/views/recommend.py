"""`grid recommend` in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from socket import gethostname

import pyarrow.compute as pc
from rich.table import Table
from rich.text import Text

from grid.advice import Advice, recommend
from grid.advice.advice import CAPABILITY, QUANTITIES
from grid.advice.sentences import (
    UNITS,
    certainty_text,
    costs_text,
    figure_text,
    headline,
    parts_text,
    replay_text,
    weights_text,
)
from grid.advice.to_json import to_data
from grid.analysis.dataset import Dataset
from grid.cli.recommend_options import Words, ask_of
from grid.cli.views.console import console, print_json
from grid.units import format_bytes

RIVALS_SHOWN = 5


def show_advice(store: str, words: Words, as_json: bool = False) -> None:
    """Prints what to run; raises InputError where the ask or the store do not allow an answer."""
    ask, dataset = ask_of(words), Dataset(store)
    if ask.hardware is None and ask.chip is None and ask.bandwidth_bytes_s is None:
        ask = replace(ask, hardware=_this_machine(dataset))
    advice = recommend(dataset, ask)
    if as_json:
        print_json(to_data(advice))
    else:
        print_advice(advice)


def _this_machine(dataset: Dataset) -> str | None:
    """The hardware class that this machine's own rows name, None where there are none or several:
    by its name, since probing it would measure its bandwidth first."""
    own = (pc.field("node") == gethostname()) & (pc.field("origin") == "")
    found = pc.unique(dataset.overview.attempts.filter(own)["hardware_class"]).to_pylist()
    return found[0] if len(found) == 1 else None


def print_advice(advice: Advice) -> None:
    """The answer first, then how it comes about."""
    out = console()
    out.print(Text(headline(advice), style="bold"))
    out.print(_lines(_asked(advice) + (_answer(advice) if advice.pick else _relax(advice))))
    for note in advice.notes:
        out.print(Text(f"note: {note}", style="yellow"))


def _lines(rows: Sequence[tuple[str, str]]) -> Table:
    drawn = Table.grid(padding=(0, 2, 0, 0))
    drawn.add_column(no_wrap=True)
    drawn.add_column(overflow="fold")
    last = ""
    for name, text in rows:
        drawn.add_row(Text("" if name == last else name, style="dim"), Text(text))
        last = name
    return drawn


def _asked(advice: Advice) -> list[tuple[str, str]]:
    rows = [
        ("machine", advice.hardware),
        ("quality", f"capability, 0 chance to 1 perfect: {weights_text(advice)}"),
    ]
    if advice.budget_bytes is not None:
        why = f"{format_bytes(advice.budget_bytes)} for models. {advice.budget_why}"
        rows.append(("budget", why))
    others = [one for one in advice.limits if not one.startswith("memory ")]
    return [*rows, ("limits", "; ".join(others))] if others else rows


def _answer(advice: Advice) -> list[tuple[str, str]]:
    if advice.pick is None:
        return []
    rows = [("", "")]
    for quantity in QUANTITIES:
        figure = advice.pick.figures.get(quantity)
        if figure is None:
            rows.append((quantity, "not known"))
            continue
        unit = f" {UNITS[quantity]}" if UNITS[quantity] and quantity != CAPABILITY else ""
        rows.append((quantity, f"{figure_text(quantity, figure)}{unit}; {figure.evidence.text}"))
    rows += [("", parts_text(advice.pick)), ("how sure", certainty_text(advice))]
    second = advice.runner_up
    rows.append(("runner-up", f"{second.label}: {advice.runner_why}" if second else "none"))
    rows += [(f"one step {step.direction}", step.text) for step in advice.steps]
    rows += [("limits cost", text) for text in costs_text(advice)]
    return [*rows, *_rivals(advice), ("measure it", replay_text(advice))]


def _relax(advice: Advice) -> list[tuple[str, str]]:
    rows = [("to get an answer", step.text) for step in advice.relax]
    if any(step.together for step in advice.relax):
        rows.append(("", "all of these together"))
    return rows


def _rivals(advice: Advice) -> list[tuple[str, str]]:
    """The most capable of those that lost, and how many more there are."""
    order = sorted(
        advice.rejected,
        key=lambda lost: (
            -(lost.variant.capability.value if lost.variant.capability else -1.0),
            lost.variant.artifact_bytes,
        ),
    )
    rows = [("why not", f"{one.variant.label}: {one.reason}") for one in order[:RIVALS_SHOWN]]
    more = len(order) - RIVALS_SHOWN
    return [*rows, ("", f"and {more} more, which --json lists")] if more > 0 else rows
