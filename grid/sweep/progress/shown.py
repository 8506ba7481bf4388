"""Progress for people: a live line on a terminal, plain lines for logs and pipes."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Protocol

from grid.sweep.events import BEGINS
from grid.sweep.progress.pace import Doing, Failures, Pace
from grid.sweep.progress.steps import Ended, Finished, Note, Planned, Prepared, Preparing, Step
from grid.units import format_seconds

if TYPE_CHECKING:
    from rich.console import Console

PLAIN_EVERY_S = 10.0
"""Seconds between two plain lines, so that a log of a night stays readable."""


class Progress(Protocol):
    """Hears of a sweep's steps in order; the last is `Ended`."""

    def tell(self, step: Step) -> None: ...


class PlainProgress:
    """A line every few seconds, and one for each failure; for logs and pipes."""

    def __init__(self) -> None:
        self._last = 0.0
        self._pace = Pace()
        self._failures = Failures()

    def tell(self, step: Step) -> None:
        self._pace.count(step)
        match step:
            case Preparing():
                self._say(f"{_doing(step)}: {step.line}", step.line == BEGINS)
            case Prepared():
                took = f"{_done(step)}{_where(step.node)} in {format_seconds(step.wall_s)}"
                self._say(took, step.what in ("environment", "fetch"))
            case Finished(again=False):
                line = self._failures.line(step)
                self._say(line, bool(line))
                last = self._pace.done == self._pace.total
                self._say(f"{self._pace} - {step.label}{_where(step.node)}", last)
            case Note():
                self._say(step.text, True)
            case Ended():
                for line in self._failures.rest():
                    self._say(line, True)

    def _say(self, text: str, important: bool) -> None:
        if important or (text and time.monotonic() - self._last >= PLAIN_EVERY_S):
            self._last = time.monotonic()
            sys.stderr.write(text + "\n")
            sys.stderr.flush()


class LiveProgress:
    """A bar with rate, time left and what each node is at; failures stay above it."""

    def __init__(self, console: Console | None = None) -> None:
        """`console` is the terminal; None: that of standard error."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
        from rich.table import Column

        rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
        self._bar = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[pace]}", table_column=Column(no_wrap=True)),
            TextColumn("{task.description}", style="dim", markup=False, table_column=rest),
            console=console or Console(stderr=True),
            transient=True,
            expand=True,
        )
        self._task = self._bar.add_task("", total=None, pace="", visible=False)
        self._pace = Pace()
        self._doing = Doing()
        self._doing.at("", "starting")
        self._failures = Failures()

    def tell(self, step: Step) -> None:
        self._pace.count(step)
        self._doing.count(step)
        match step:
            case Planned():
                self._bar.start()
            case Preparing() if not self._bar.live.is_started:
                self._say(f"{_doing(step)}{_where(step.node)}" if step.line == BEGINS else "")
            case Preparing():
                self._doing.at(step.node, f"{_doing(step)}: {step.line}")
            case Prepared():
                self._doing.at(step.node, _done(step))
            case Finished():
                self._say(self._failures.line(step))
            case Note():
                self._say(step.text)
            case Ended():
                self._bar.stop()
                for line in self._failures.rest():
                    self._say(line)
        self._bar.update(
            self._task,
            description=str(self._doing),
            completed=self._pace.done,
            total=self._pace.total,
            pace=str(self._pace),
            visible=True,
        )

    def _say(self, text: str) -> None:
        if text:
            self._bar.console.print(text, markup=False, highlight=False)


def _doing(step: Preparing) -> str:
    if step.what == "environment":
        return f"making the environment of {step.label}"
    return f"fetching {step.label}"


def _done(step: Prepared) -> str:
    verbs = {"environment": "made the environment of", "fetch": "fetched"}
    verb = verbs.get(step.what)
    return f"{verb} {step.label}" if verb else f"made {step.label} ({step.what})"


def _where(node: str) -> str:
    return f" on {node}" if node else ""
