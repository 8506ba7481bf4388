"""`grid recommend --for` in a terminal: which hardware runs a model."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from grid.advice import Ask
from grid.advice.for_model import (
    VERDICTS,
    HardwareChoice,
    PlaceVerdict,
    choose_hardware,
    find_target,
)
from grid.advice.for_model.sentences import (
    MARK,
    MARK_TEXT,
    SPLIT_MARK,
    SPLIT_TEXT,
    examples,
    group_title,
    headline,
    kind_of,
    mark_text,
    need_text,
    place_text,
    rate_text,
    rates_note,
    split_text,
)
from grid.advice.for_model.to_json import choice_data
from grid.advice.offered_rows import offered_rows
from grid.analysis.dataset import Dataset
from grid.cli.views.console import console, print_json, table
from grid.cli.views.fit_table import FittedTable
from grid.cli.views.recommend import two_columns
from grid.units import format_bytes

KIND_NAMES = {"cards": "card", "Macs": "Mac", "main memory": "processor", "measured": "measured"}
"""Heads of the groups of a table of machines."""


def show_hardware(store: str, model: str, ask: Ask, as_json: bool = False) -> None:
    """Print where the model runs. Raises InputError for a model or a machine nobody knows."""
    dataset = offered_rows(Dataset(store))
    choice = choose_hardware(dataset, find_target(model, ask.quant, dataset), ask)
    if as_json:
        print_json(choice_data(choice))
    else:
        print_hardware(choice)


def print_hardware(choice: HardwareChoice) -> None:
    """Print the answer first, then machines by what they make of the model."""
    out = console()
    out.print(Text(headline(choice), style="bold"))
    rows = [("needs", need_text(choice)), ("model", f"from {choice.target.source}")]
    rows += [("", note) for note in choice.notes]
    rows += [("placement", text)] if (text := split_text(choice)) else []
    out.print(two_columns(rows))
    marks: set[str] = set()
    for verdict in VERDICTS:
        shown = examples(choice, verdict)
        if not shown:
            continue
        marks |= set(map(mark_text, shown))
        out.print()
        out.print(Text(group_title(choice, verdict), style="bold"))
        out.print(_table(shown))
    every = "" if choice.named else "; --json lists every machine"
    out.print(Text(f"\n{rates_note(choice)}{every}"))
    if MARK in marks:
        out.print(Text(MARK_TEXT, style="dim"))
    if SPLIT_MARK in marks:
        out.print(Text(SPLIT_TEXT, style="dim"))


def _table(entries: Sequence[PlaceVerdict]) -> FittedTable:
    kinds = [KIND_NAMES.get(kind_of(entry), kind_of(entry)) for entry in entries]
    rows = [
        (
            "" if i and kinds[i] == kinds[i - 1] else kinds[i],
            format_bytes(entry.place.memory_bytes) if entry.place.memory_bytes else "",
            place_text(entry),
            rate_text(entry),
            mark_text(entry),
        )
        for i, entry in enumerate(entries)
    ]
    return table(("", "memory", "machine", "token/s", ""), rows, right=(1,), wrap=(2,))
