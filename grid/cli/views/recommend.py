"""`grid recommend` in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from grid.advice import Advice, Ask, recommend
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
)
from grid.advice.to_json import to_data
from grid.analysis.dataset import Dataset
from grid.cli.views.console import console, print_json
from grid.cli.views.serving import print_serving
from grid.units import format_bytes

RIVALS_SHOWN = 5


def show_advice(store: str, ask: Ask, as_json: bool = False) -> None:
    """Print what to run; without any row, what public figures say. Raises InputError where the ask
    or the store do not allow an answer."""
    dataset = Dataset(store)
    if dataset.is_empty and not dataset.problems and ask.hardware is None:
        from grid.cli.views.public_answer import show_public_answer

        show_public_answer(ask, as_json)
        return
    advice = recommend(dataset, ask)
    if as_json:
        print_json(to_data(advice))
    else:
        print_advice(advice)


def print_advice(advice: Advice) -> None:
    """Print the answer first, then how it comes about."""
    out = console()
    out.print(Text(headline(advice), style="bold"))
    print_serving(out, advice)
    rows = _answer_rows(advice) if advice.pick else _relax_rows(advice)
    out.print(two_columns(_question_rows(advice) + rows))
    for note in advice.notes:
        out.print(Text(f"note: {note}", style="yellow"))


def two_columns(rows: Sequence[tuple[str, str]]) -> Table:
    """Names beside texts; a name that repeats the one above is left out."""
    drawn = Table.grid(padding=(0, 2, 0, 0))
    drawn.add_column(no_wrap=True)
    drawn.add_column(overflow="fold")
    last = ""
    for name, text in rows:
        drawn.add_row(Text("" if name == last else name, style="dim"), Text(text))
        last = name
    return drawn


def _question_rows(advice: Advice) -> list[tuple[str, str]]:
    rows = [
        ("machine", advice.hardware),
        ("quality", quality_text(advice)),
    ]
    if advice.budget_bytes is not None:
        why = f"{format_bytes(advice.budget_bytes)} for models. {advice.budget_why}"
        rows.append(("budget", why))
    others = [limit for limit in advice.limits if not limit.startswith("memory ")]
    return [*rows, ("limits", "; ".join(others))] if others else rows


def _answer_rows(advice: Advice) -> list[tuple[str, str]]:
    if advice.pick is None:
        return []
    rows = [("", "")]
    for quantity in shown_quantities(advice):
        figure = advice.pick.figures.get(quantity)
        if figure is None:
            rows.append((quantity, "not known"))
            continue
        unit = f" {UNITS[quantity]}" if UNITS[quantity] else ""
        rows.append((quantity, f"{figure_text(quantity, figure)}{unit}; {figure.evidence.text}"))
    if advice.pick.split is not None:
        rows.append(("placement", advice.pick.split.text))
    rows += [("", parts_text(advice.pick)), ("how sure", certainty_text(advice))]
    rows += [("measure more", advice.measure_more.text)] if advice.measure_more else []
    rows += [("perhaps as good", text)] if (text := smallest_text(advice)) else []
    second = advice.runner_up
    rows.append(("runner-up", f"{second.label}: {advice.runner_why}" if second else "none"))
    rows += [(f"one step {step.direction}", step.text) for step in advice.steps]
    rows += [("limits cost", text) for text in costs_text(advice)]
    rows += [("upgrade", step.text) for step in advice.upgrades]
    return [*rows, *_rival_rows(advice), ("measure it", replay_text(advice))]


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
