"""Progress of a sweep, told three ways: a live line, plain lines, or JSON for machines."""

from __future__ import annotations

import json
import sys
import time
from typing import Any, Protocol

from grid.cell import Cell
from grid.measurement import Measurement
from grid.plan.estimate import cell_seconds
from grid.plan.plan import Plan
from grid.schedule.events import BEGINS, Prepared, Preparing
from grid.units import format_seconds

CELL_S = 0.1
"""Modelled seconds of every cell beside its computing: its share of starting and loading."""

PRIOR_S = 20.0
"""Seconds of the model's own prediction that count before measured time outweighs it."""

PLAIN_EVERY_S = 10.0
"""Seconds between two plain lines, so that a log of a night stays readable."""


LINE = 70
"""Letters of an installer's line beside the bar."""


class Failures:
    """Says a reason once, and at the end how often it came again: an environment that cannot be
    made fails a hundred cells."""

    def __init__(self) -> None:
        self._again: dict[str, int] = {}

    def line(self, cell: Cell, measurement: Measurement) -> str:
        """What to say of a failed cell; empty where its reason was said before."""
        reason = measurement.reason
        if reason in self._again:
            self._again[reason] += 1
            return ""
        self._again[reason] = 0
        return f"{measurement.status}: {cell.label}: {reason}"

    def rest(self) -> list[str]:
        return [
            f"{count} more cell{'s' if count > 1 else ''} failed so: {reason}"
            for reason, count in self._again.items()
            if count
        ]


class Progress(Protocol):
    """Hears of a sweep's steps in order."""

    def planned(self, plan: Plan) -> None: ...
    def preparing(self, event: Preparing) -> None: ...
    def prepared(self, event: Prepared) -> None: ...
    def started(self, cell: Cell) -> None: ...
    def finished(self, cell: Cell, measurement: Measurement) -> None: ...
    def note(self, text: str) -> None: ...
    def ended(self) -> None: ...


class Pace:
    """Cells done of how many, and when the rest will be.

    The time left is the plan's modelled time for the cells left, scaled by real over modelled time
    so far; `PRIOR_S` of model at face value keeps the first cells from shouting.
    """

    def __init__(self, plan: Plan) -> None:
        self.total = len(plan.cells)
        self.done = 0
        self.failed = 0
        self._modelled = {cell.id: CELL_S + cell_seconds(plan, cell) for cell in plan.cells}
        self._left_s = sum(self._modelled.values())
        self._done_s = 0.0
        self._start = time.monotonic()

    def count(self, measurement: Measurement) -> None:
        self.done += 1
        self.failed += measurement.status not in ("ok", "skipped")
        modelled = self._modelled.get(measurement.cell_id, 0.0)
        self._done_s += modelled
        self._left_s -= modelled

    @property
    def eta_s(self) -> float:
        """Seconds until the end."""
        spent = time.monotonic() - self._start
        return max(0.0, self._left_s) * (PRIOR_S + spent) / (PRIOR_S + self._done_s)

    @property
    def rate(self) -> float:
        """Cells per second so far."""
        return self.done / max(1e-9, time.monotonic() - self._start)

    def __str__(self) -> str:
        parts = [f"{self.done}/{self.total} cells", f"{self.rate:.2g} cells/s"]
        if self.failed:
            parts.append(f"{self.failed} failed")
        if self.done < self.total:
            parts.append(f"{format_seconds(self.eta_s)} left")
        return ", ".join(parts)


class PlainProgress:
    """A line every few seconds, and one for each failure; for logs and pipes."""

    def __init__(self) -> None:
        self._last = 0.0
        self._failures = Failures()

    def planned(self, plan: Plan) -> None:
        self._pace = Pace(plan)

    def preparing(self, event: Preparing) -> None:
        self._say(f"{_doing(event)}: {event.line}", event.line == BEGINS)

    def prepared(self, event: Prepared) -> None:
        text = f"{_done(event)} in {format_seconds(event.wall_s)}"
        self._say(text, event.what in ("environment", "fetch"))

    def started(self, cell: Cell) -> None:
        pass

    def finished(self, cell: Cell, measurement: Measurement) -> None:
        self._pace.count(measurement)
        if measurement.status not in ("ok", "skipped"):
            line = self._failures.line(cell, measurement)
            self._say(line, bool(line))
        self._say(f"{self._pace} - {cell.label}", self._pace.done == self._pace.total)

    def note(self, text: str) -> None:
        self._say(text, True)

    def ended(self) -> None:
        for line in self._failures.rest():
            self._say(line, True)

    def _say(self, text: str, important: bool) -> None:
        if important or (text and time.monotonic() - self._last >= PLAIN_EVERY_S):
            self._last = time.monotonic()
            sys.stderr.write(text + "\n")
            sys.stderr.flush()


class LiveProgress:
    """A bar with rate and time left on a terminal; failures stay above it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        self._bar = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[pace]}"),
            TextColumn("{task.description}", style="dim", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self._failures = Failures()

    def planned(self, plan: Plan) -> None:
        self._pace = Pace(plan)
        self._task = self._bar.add_task("starting Ray", total=self._pace.total, pace="")
        self._bar.start()

    def preparing(self, event: Preparing) -> None:
        self._bar.update(self._task, description=f"{_doing(event)}: {event.line}"[:LINE])

    def prepared(self, event: Prepared) -> None:
        self._bar.update(self._task, description=_done(event))

    def started(self, cell: Cell) -> None:
        self._bar.update(self._task, description=cell.label)

    def finished(self, cell: Cell, measurement: Measurement) -> None:
        self._pace.count(measurement)
        self._bar.update(self._task, advance=1, pace=str(self._pace))
        if measurement.status not in ("ok", "skipped"):
            line = self._failures.line(cell, measurement)
            if line:
                self.note(line)

    def note(self, text: str) -> None:
        self._bar.console.print(text, markup=False, highlight=False)

    def ended(self) -> None:
        self._bar.stop()
        for line in self._failures.rest():
            self.note(line)


class JsonProgress:
    """One JSON object a line on standard output."""

    def planned(self, plan: Plan) -> None:
        self._pace = Pace(plan)
        self._say(
            event="planned",
            cells=len(plan.cells),
            skipped=len(plan.skipped),
            measured=len(plan.measured),
        )

    def preparing(self, event: Preparing) -> None:
        self._say(event="preparing", what=event.what, label=event.label, line=event.line)

    def prepared(self, event: Prepared) -> None:
        self._say(event="prepared", what=event.what, label=event.label, wall_s=event.wall_s)

    def started(self, cell: Cell) -> None:
        self._say(event="started", cell=cell.id, label=cell.label)

    def finished(self, cell: Cell, measurement: Measurement) -> None:
        self._pace.count(measurement)
        self._say(
            event="finished",
            cell=cell.id,
            label=cell.label,
            status=measurement.status,
            reason=measurement.reason,
            wall_s=measurement.wall_s,
            done=self._pace.done,
            total=self._pace.total,
            eta_s=self._pace.eta_s,
        )

    def note(self, text: str) -> None:
        self._say(event="note", text=text)

    def ended(self) -> None:
        pass

    @staticmethod
    def _say(**fields: Any) -> None:
        sys.stdout.write(json.dumps(fields) + "\n")
        sys.stdout.flush()


def _doing(event: Preparing) -> str:
    if event.what == "environment":
        return f"making the environment of {event.label}"
    return f"fetching {event.label}"


def _done(event: Prepared) -> str:
    verbs = {"environment": "made the environment of", "fetch": "fetched"}
    if event.what in verbs:
        return f"{verbs[event.what]} {event.label}"
    return f"made {event.label} ({event.what})"


def progress_for(as_json: bool) -> Progress:
    """JSON where asked for, a live bar on a terminal, plain lines elsewhere."""
    if as_json:
        return JsonProgress()
    return LiveProgress() if sys.stderr.isatty() else PlainProgress()
