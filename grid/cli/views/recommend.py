"""`grid recommend` in a terminal: the answer on the first screen, with `--why` all behind it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console
from rich.text import Text

from grid.advice import Advice, Ask, PickCard, answer_ask, pick_card, recommend
from grid.advice.advice_quality import NOTHING_COMPARES, SeveralModels
from grid.advice.machine_name import short_machine_name
from grid.advice.sentences import (
    UNITS,
    certainty_text,
    costs_text,
    figure_text,
    headline,
    parts_text,
    quality_text,
    replay_text,
    shown_quantities,
    smallest_text,
    tie_text,
)
from grid.advice.to_json import to_data
from grid.analysis.dataset import Dataset
from grid.cli.views.class_warnings import class_warnings
from grid.cli.views.console import console, pairs, print_json
from grid.cli.views.fit_table import Pairs
from grid.cli.views.serving import print_command, serving_rows
from grid.hardware.probe import probe_node
from grid.models.display_names import capitalised
from grid.units import count_of, format_bytes

RIVALS_SHOWN = 5
TOPICS_SHOWN = 2
"""Notes of which the first screen says what they are about."""


def show_advice(store: str, ask: Ask, as_json: bool = False, why: bool = False) -> None:
    """Print what to run, and `why`; without any row, what public figures say. Raises InputError
    where the ask or the store do not allow an answer."""
    dataset = Dataset(store)
    try:
        answer = answer_ask(dataset, ask, probe_node)
    except SeveralModels as error:
        if as_json:
            raise
        _print_models(dataset, ask, error.models)
        return
    if not isinstance(answer, Advice):
        from grid.cli.views.public_answer import show_public_answer

        show_public_answer(answer, as_json, why)
    elif as_json:
        print_json(to_data(answer))
    else:
        print_advice(answer, why)
        if why:
            _print_warnings(dataset, answer)


def _print_warnings(dataset: Dataset, advice: Advice) -> None:
    """Print what to know of the measurements of the classes that the answer rests on."""
    classes = {hardware.name for hardware in dataset.classes}
    candidates = filter(None, (advice.pick, advice.runner_up, advice.smaller, advice.faster))
    for name in sorted({c.variant.hardware_class for c in candidates} & classes):
        for line in class_warnings(dataset, name):
            console().print(line, markup=False, style="yellow")


def _print_models(dataset: Dataset, ask: Ask, models: Sequence[str]) -> None:
    """Print a line for each of the models that nothing compares."""
    out = console()
    out.print(f"{capitalised(NOTHING_COMPARES)}. The pick of each:")
    rows = []
    for model in models:
        card = pick_card(recommend(dataset, replace(ask, model=model)))
        text = "nothing meets the limits"
        if card is not None:
            facts = filter(None, (card.size, card.speed, card.closeness))
            text = f"run {card.label} in {card.engine}: {', '.join(facts)}"
        rows.append((model, text))
    out.print(pairs(rows))
    out.print(f"grid recommend --model {shlex.quote(models[0])} says how to start it")


def print_advice(advice: Advice, why: bool = False) -> None:
    """Print the answer on a screen; `why` adds how it comes about."""
    out = console()
    out.print(Text(f"{headline(advice)}, on {_machine_text(advice)}", style="bold"))
    print_command(out, advice)
    card = pick_card(advice)
    rows = _relax_rows(advice) if card is None else [*_model_rows(advice), *card_rows(card)]
    if not why:
        rows += _hidden_rows(advice)
    if rows:
        out.print()
        out.print(two_columns(rows))
    if why:
        print_reasons(out, advice)


def _model_rows(advice: Advice) -> list[tuple[str, str]]:
    """Of several models, which is picked."""
    models = {candidate.variant.model for candidate in advice.candidates}
    if advice.pick is None or len(models) < 2:
        return []
    return [("model", f"{advice.pick.variant.model}, the best of {len(models)} models")]


def _machine_text(advice: Advice) -> str:
    """The machine's short name, and the memory that it is asked about instead of its own."""
    name, memory = short_machine_name(advice.hardware), advice.ask.memory_bytes
    is_named = memory is None or advice.ask.bandwidth_bytes_s is not None
    return name if is_named else f"{name}, with {format_bytes(memory or 0)} instead"


def two_columns(rows: Sequence[tuple[str, str]]) -> Pairs:
    """Names beside texts; a name that repeats the one above is left out."""
    above = ["", *(name for name, _ in rows)]
    return pairs([("" if name == above[i] else name, text) for i, (name, text) in enumerate(rows)])


def card_rows(card: PickCard) -> list[tuple[str, str]]:
    """A line for each question: why this one, how good, how fast, does it fit, how sure, and what
    is smaller and faster."""
    return [
        ("why", card.reason),
        ("quality", card.closeness),
        ("speed", card.speed or "not known"),
        ("memory", card.fits),
        ("sure", card.sure),
        ("smaller", card.smaller or "nothing that meets the limits"),
        ("faster", card.faster or "nothing that is surely faster"),
    ]


def _hidden_rows(advice: Advice) -> list[tuple[str, str]]:
    """What --why adds, in a line."""
    parts = [f"why {count_of(len(advice.rejected), 'other')} lost"] if advice.rejected else []
    if advice.notes:
        topics = "; ".join(map(_topic, advice.notes[:TOPICS_SHOWN]))
        parts.append(f"{count_of(len(advice.notes), 'note')}: {topics}")
    return [("more", f"add --why: {', '.join(parts)}")] if parts else []


def _topic(note: str) -> str:
    """What a note is about: its words before the first colon or semicolon."""
    return re.split("[:;]", note, maxsplit=1)[0]


def print_reasons(out: Console, advice: Advice) -> None:
    """Print where the figures are from, what else was weighed, and the notes."""
    rows = [*_question_rows(advice), *_answer_rows(advice), *serving_rows(advice)]
    rows += _alternative_rows(advice) if advice.pick else []
    rows += [("upgrade", step.text) for step in advice.upgrades] if advice.pick else []
    rows += _rival_rows(advice)
    rows += [("measure it", replay_text(advice))] if advice.pick else []
    out.print()
    out.print(two_columns(rows))
    for note in advice.notes:
        out.print(Text(f"note: {note}", style="yellow"))


def _question_rows(advice: Advice) -> list[tuple[str, str]]:
    rows = [("machine", advice.hardware), ("ranked by", quality_text(advice))]
    if advice.budget_bytes is not None:
        size = format_bytes(advice.budget_bytes)
        rows.append(("budget", f"{size} for models. {advice.budget_why}"))
    others = [limit for limit in advice.limits if not limit.startswith("memory ")]
    return [*rows, ("limits", "; ".join(others))] if others else rows


def _answer_rows(advice: Advice) -> list[tuple[str, str]]:
    """The pick's figures, each with where it is from."""
    pick = advice.pick
    if pick is None:
        return []
    rows = []
    for quantity in shown_quantities(advice):
        figure = pick.figures.get(quantity)
        if figure is None:
            rows.append((quantity, "not known"))
            continue
        unit = f" {UNITS[quantity]}" if UNITS[quantity] else ""
        rows.append((quantity, f"{figure_text(quantity, figure)}{unit}; {figure.evidence.text}"))
    rows.append(("", parts_text(pick)))
    return [*rows, ("placement", pick.split.text)] if pick.split is not None else rows


def _alternative_rows(advice: Advice) -> list[tuple[str, str]]:
    rows = [("how sure", certainty_text(advice))]
    rows += [("measure more", advice.measure_more.text)] if advice.measure_more else []
    rows += choice_rows(advice)
    second = advice.runner_up
    rows.append(("runner-up", f"{second.label}: {advice.runner_why}" if second else "none"))
    rows += [(f"one step {step.direction}", step.text) for step in advice.steps]
    return rows + [("limits cost", text) for text in costs_text(advice)]


def choice_rows(advice: Advice) -> list[tuple[str, str]]:
    """Why neither what measured better nor what is smaller and may be as good is the pick."""
    rows = [("why a tie", tie_text(advice)), ("why none smaller", smallest_text(advice))]
    return [(name, text) for name, text in rows if text]


def _relax_rows(advice: Advice) -> list[tuple[str, str]]:
    rows = [("to get an answer", step.text) for step in advice.relax]
    if any(step.together for step in advice.relax):
        rows.append(("", "all of these together"))
    return rows + [("upgrade", step.text) for step in advice.upgrades]


def _rival_rows(advice: Advice) -> list[tuple[str, str]]:
    """The most capable rivals, and how many more there are."""
    rivals = advice.rivals[:RIVALS_SHOWN]
    rows = [("why not", f"{rival.variant.label}: {rival.reason}") for rival in rivals]
    hidden = len(advice.rejected) - len(rivals)
    return [*rows, ("", f"and {hidden} more, which --json lists")] if hidden > 0 else rows
