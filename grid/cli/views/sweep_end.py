"""The end of a sweep in a terminal: what it did, what to run on each machine, what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow.compute as pc
from rich.console import Console
from rich.text import Text

from grid.advice import Advice, pick_card, picks_of_class
from grid.advice.machine_name import short_machine_names
from grid.analysis.dataset import Dataset
from grid.cli.completion import DEFAULT_STORE
from grid.cli.views.class_warnings import class_warnings
from grid.cli.views.console import console, pairs
from grid.cli.views.fit_table import Pairs
from grid.cli.views.serving import print_command
from grid.errors import InputError
from grid.results.problems import missing_rows_note
from grid.units import count_of, format_seconds

if TYPE_CHECKING:
    from grid.plan.plan import Plan
    from grid.sweep.run import Summary


@dataclass(frozen=True)
class SweepScope:
    """Which rows of a store are those of a sweep: by their artifacts, and where they ran (None:
    wherever that was). `sweep` names it where only its rows say which artifacts these are. The
    `command` measures all again; it is empty where only the rows say what does."""

    artifacts: frozenset[str] = frozenset()
    scopes: frozenset[str] | None = None
    sweep: str = ""
    command: str = ""

    def part_of(self, dataset: Dataset) -> Dataset:
        """The dataset with the sweep's rows alone."""
        artifacts: set[str | None] = set(self.artifacts)
        if self.sweep:
            attempts = dataset.overview.attempts
            own = attempts.filter(pc.field("sweep") == self.sweep)
            artifacts |= set(pc.unique(own["artifact_id"]).to_pylist())
        condition = pc.field("artifact_id").isin(sorted(filter(None, artifacts)))
        if self.scopes is not None:
            condition &= pc.field("scope").isin(sorted(self.scopes))
        return dataset.filter(condition)


def scope_of_plans(plans: Sequence[Plan], command: str) -> SweepScope:
    """The attempts at the artifacts of plans: on their nodes' classes, and wherever else their
    engines' arithmetic computed."""
    cells = [cell for plan in plans for cell in (*plan.cells, *plan.measured)]
    cells += [skip.cell for plan in plans for skip in plan.skipped]
    artifacts = frozenset(cell.artifact.id for cell in cells)
    return SweepScope(artifacts, frozenset(cell.scope for cell in cells), command=command)


def scope_of_name(sweep: str) -> SweepScope:
    """The attempts at the artifacts that a sweep measured, wherever they ran."""
    return SweepScope(sweep=sweep)


def show_sweep_end(store: str, scope: SweepScope, summary: Summary) -> None:
    """Print about ten lines: what was measured, for each machine what to run and how, what is
    smaller and faster, what to doubt, and the next commands. Raises InputError for a store that
    cannot be read."""
    out = console()
    dataset = Dataset(store)
    part = scope.part_of(dataset)
    names = short_machine_names(hardware_class.name for hardware_class in part.classes)
    out.print(f"{summary_text(summary)}; rows in {dataset.display_name}")
    for name, short_name in names.items():
        _print_machine(out, dataset, part, name, short_name)
        for line in class_warnings(part, name, scope.command):
            out.print(Text(line, style="yellow"))
    if warning := missing_rows_note(dataset.problems):
        out.print(Text(warning, style="yellow"))
    out.print()
    for line in _next_lines(dataset.display_name, summary, out.width):
        out.print(line)


def summary_text(summary: Summary) -> str:
    """`27 cells measured, 1 failed in 3 min`."""
    parts = [f"{count_of(summary.measured, 'cell')} measured"]
    parts += [f"{summary.failed} failed"] if summary.failed else []
    parts += [f"{summary.skipped} skipped"] if summary.skipped else []
    parts += [f"{summary.already} measured before"] if summary.already else []
    where = f" on {summary.nodes} nodes" if summary.nodes > 1 else ""
    return f"{', '.join(parts)}{where} in {format_seconds(summary.wall_s)}"


def _print_machine(
    out: Console, dataset: Dataset, part: Dataset, name: str, short_name: str
) -> None:
    """The pick of the whole store for a machine, and the best of the sweep where that is not of
    it."""
    try:
        answers = picks_of_class(dataset, name)
    except InputError as error:
        out.print(_pairs([("machine", short_name), ("run", f"no answer: {error}")]))
        return
    artifacts = set(pc.unique(part.overview.attempts["artifact_id"]).to_pylist())
    out.print(_pairs([("machine", short_name)]))
    for advice in answers:
        _print_answer(out, advice)
        if advice.pick is not None and advice.pick.variant.artifact_id not in artifacts:
            out.print(_pairs([("new", f"best of this sweep: {_best_of(part, name)}")]))


def _print_answer(out: Console, advice: Advice) -> None:
    card = pick_card(advice)
    if card is None:
        out.print(_pairs([("run", "nothing meets the limits")]))
        return
    rate, unit, _ = card.speed.partition(" token/s")
    facts = ", ".join(filter(None, (card.size, rate + unit)))
    out.print(_pairs([("run", f"{card.label} in {card.engine}: {facts}")]))
    print_command(out, advice)
    rows = [("quality", card.closeness), ("why", card.reason)]
    rows += [("smaller", card.smaller)] if card.smaller else []
    rows += [("faster", card.faster)] if card.faster else []
    out.print(_pairs(rows))


def _best_of(part: Dataset, name: str) -> str:
    """The labels of what would be run of the sweep alone."""
    try:
        answers = picks_of_class(part, name)
    except InputError as error:
        return f"none ({error})"
    return ", ".join(advice.pick.label for advice in answers if advice.pick) or "none that fits"


def _pairs(rows: Sequence[tuple[str, str]]) -> Pairs:
    """Rows whose texts begin in one column, whichever call prints them."""
    return pairs([(name.ljust(LABEL), text) for name, text in rows])


LABEL = 7


def _next_lines(store: str, summary: Summary, room: int) -> list[str]:
    """Commands, and what each does where all lines have room for that."""
    option = "" if store == DEFAULT_STORE else f" --store {shlex.quote(store)}"
    steps = {
        f"grid show{option}": "all tables",
        f"grid app{option}": "the same in the browser",
        f"grid recommend{option} --memory 24": "for another machine or use",
    }
    if summary.failed:
        steps[f"grid results{option} --where \"status <> 'ok'\""] = "what failed, and why"
    width = max(map(len, steps))
    lines = [f"{command.ljust(width)}  {what}" for command, what in steps.items()]
    return lines if max(map(len, lines)) <= room else list(steps)
