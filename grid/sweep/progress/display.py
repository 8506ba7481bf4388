"""Progress for people: a live line on a terminal, plain lines for logs and pipes."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Protocol

from grid.sweep.events import (
    BEGINS,
    WRITE,
    CellDone,
    Event,
    Notice,
    Planned,
    Prepared,
    Preparing,
    SweepEnded,
)
from grid.sweep.progress.pace import CurrentWork, FailureReasons, Pace
from grid.units import format_seconds

if TYPE_CHECKING:
    from rich.console import Console

PLAIN_EVERY_S = 10.0
"""Seconds between two plain lines, so that a log of a night stays readable."""


class Progress(Protocol):
    """Takes a sweep's events in order; the last is `SweepEnded`."""

    def tell(self, event: Event) -> None: ...


class PlainProgress:
    """A line every few seconds, and one for each failure; for logs and pipes."""

    def __init__(self) -> None:
        self._last = 0.0
        self._pace = Pace()
        self._failures = FailureReasons()

    def tell(self, event: Event) -> None:
        self._pace.count(event)
        match event:
            case Preparing():
                self._say(f"{_title(event)}: {event.line}", event.line == BEGINS)
            case Prepared():
                took = f"{_title(event)}{_on_node(event.node)} in {format_seconds(event.wall_s)}"
                self._say(took, event.what in ("environment", "fetch"))
            case CellDone(will_retry=False):
                line = self._failures.line(event)
                self._say(line, bool(line))
                last = self._pace.done == self._pace.total
                self._say(f"{self._pace} - {event.label}{_on_node(event.node)}", last)
            case Notice():
                self._say(event.text, True)
            case SweepEnded():
                for line in self._failures.repeated():
                    self._say(line, True)

    def _say(self, text: str, important: bool) -> None:
        if important or (text and time.monotonic() - self._last >= PLAIN_EVERY_S):
            self._last = time.monotonic()
            sys.stderr.write(text + "\n")
            sys.stderr.flush()


class LiveProgress:
    """A bar with the time left and what each node is at; failures stay above it."""

    def __init__(self, console: Console | None = None) -> None:
        """`console` is the terminal; None: that of standard error."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
        from rich.table import Column

        remaining_width = Column(ratio=1, no_wrap=True, overflow="ellipsis")
        self._bar = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=12),
            TextColumn("{task.fields[pace]}", table_column=Column(no_wrap=True)),
            TextColumn(
                "{task.description}", style="dim", markup=False, table_column=remaining_width
            ),
            console=console or Console(stderr=True),
            transient=True,
            expand=True,
        )
        self._task = self._bar.add_task("", total=None, pace="", visible=False)
        self._pace = Pace()
        self._current_work = CurrentWork()
        self._current_work.at("", "starting")
        self._failures = FailureReasons()

    def tell(self, event: Event) -> None:
        self._pace.count(event)
        self._current_work.count(event)
        match event:
            case Planned():
                self._bar.start()
            case Preparing() if not self._bar.live.is_started:
                self._say(f"{_title(event)}{_on_node(event.node)}" if event.line == BEGINS else "")
            case Preparing():
                self._current_work.at(event.node, f"{_title(event)}: {event.line}")
            case CellDone():
                self._say(self._failures.line(event))
            case Notice():
                self._say(event.text)
            case SweepEnded():
                self._bar.stop()
                for line in self._failures.repeated():
                    self._say(line)
        self._bar.update(
            self._task,
            description=str(self._current_work),
            completed=self._pace.done,
            total=self._pace.total,
            pace=str(self._pace),
            visible=True,
        )

    def _say(self, text: str) -> None:
        if text:
            self._bar.console.print(text, markup=False, highlight=False)


def _title(event: Preparing | Prepared) -> str:
    if isinstance(event, Preparing):
        verbs = {"environment": "making the environment of", WRITE: "writing"}
        return f"{verbs.get(event.what, 'fetching')} {event.label}"
    verbs = {"environment": "made the environment of", "fetch": "fetched", WRITE: "wrote"}
    if event.what in verbs:
        return f"{verbs[event.what]} {event.label}"
    return f"made {event.label} ({event.what})"


def _on_node(node: str) -> str:
    return f" on {node}" if node else ""
