"""What progress remembers: how far a sweep is, which node runs what, which failures were shown."""

from __future__ import annotations

from grid.sweep.events import (
    CellDone,
    CellStarted,
    Event,
    Nodes,
    Notice,
    Planned,
    Prepared,
    SweepEnded,
    Working,
)
from grid.units import format_seconds

CELL_S = 0.1
"""Modelled seconds of every cell beside its computing: its share of starting and loading."""

PRIOR_S, PRIOR_SHARE = 20.0, 0.25
"""Seconds of the model's own prediction, and share of the whole of it, that count before measured
time outweighs it: the lesser of both."""

LEAST_ETA_S = 5.0
"""Less time left than this is not worth telling."""

KNOWN_SHARE = 0.1
"""Share of the modelled time that must be measured before the time left means something."""

NO_FAILURE = ("ok", "skipped")
"""Statuses that are no failure."""


class Pace:
    """Cells done of how many, and when the rest will be.

    The time left is the modelled time of the cells left, shared by the nodes that are there, scaled
    by real over modelled time so far; some of the model at face value keeps the first cells from
    shouting. Time is that of the events, so a sweep that is replayed has the pace it had.
    """

    def __init__(self) -> None:
        self.total = self.done = self.failed = 0
        self._optional = self._skipped = 0
        self._modelled_s = 0.0
        self._done_s = 0.0
        self._nodes = 1
        self._start: float | None = None
        self._now = 0.0
        self._worked_s = 0.0
        self._measures = False

    def count(self, event: Event) -> None:
        """Take any event into account."""
        # notices and the end also come from whoever follows a sweep, by another clock
        if not isinstance(event, Notice | SweepEnded):
            self._advance_clock(event.at)
        match event:
            case Planned():
                self.total = event.cells
                self._optional = event.optional
                self._modelled_s = event.modelled_s + CELL_S * event.cells
            case Nodes():
                self._nodes = max(1, len(event.names))
            case CellStarted() if not self._measures:
                self._measures = True
                self._worked_s = 0.0  # starting nodes and engines says nothing of the cells
            case CellDone(will_retry=False):
                self.done += 1
                self.failed += event.status not in NO_FAILURE
                self._skipped += event.status == "skipped"
                self._done_s += event.modelled_s + CELL_S

    def _advance_clock(self, at: float) -> None:
        if self._start is None:
            self._start = self._now = at
        passed = max(0.0, at - self._now)  # clocks may be set back
        self._now += passed
        self._worked_s += passed * self._nodes

    @property
    def eta_s(self) -> float:
        """Seconds until the end."""
        left_s = max(0.0, self._modelled_s - self._done_s) / self._nodes
        prior_s = min(PRIOR_S, PRIOR_SHARE * self._modelled_s)
        if prior_s + self._done_s <= 0:
            return 0.0
        return left_s * (prior_s + self._worked_s) / (prior_s + self._done_s)

    @property
    def knows_eta(self) -> bool:
        """Whether enough was measured for the time left to mean something, and it is not over."""
        measured = self._done_s > 0 and self._done_s >= KNOWN_SHARE * self._modelled_s
        return measured and self.eta_s >= LEAST_ETA_S

    @property
    def rate(self) -> float:
        """Cells per second so far."""
        return self.done / max(1e-9, self._now - (self._start or 0.0))

    def __str__(self) -> str:
        parts = [f"{self.done}/{self.total} cells"]
        if self._optional and not self._skipped:
            parts.append(f"up to {self._optional} may be skipped")
        elif self._optional:
            parts.append(f"{self._skipped} skipped")
        if self.failed:
            parts.append(f"{self.failed} failed")
        if self.done < self.total and self.knows_eta:
            parts.append(f"{format_seconds(self.eta_s)} left")
        return ", ".join(parts)


class CurrentWork:
    """What each node is running, in one line."""

    def __init__(self) -> None:
        self._names: tuple[str, ...] = ()
        self._labels: dict[str, str] = {}
        self._cells: dict[str, str] = {}

    def count(self, event: Event) -> None:
        """Take any event into account."""
        match event:
            case Nodes():
                self._names = event.names
                self._labels = {k: v for k, v in self._labels.items() if k in event.names}
            case CellStarted():
                self._cells[event.node] = event.label
                self.at(event.node, event.label)
            case Working():
                self.at(event.node, event.what)
            case Prepared() if event.node in self._cells:
                self.at(event.node, self._cells[event.node])
            case CellDone():
                self._cells.pop(event.node, None)
                self.at(event.node, "")

    def at(self, node: str, what: str) -> None:
        self._labels[node] = what

    def __str__(self) -> str:
        if len(self._names) < 2:
            return next(reversed(self._labels.values()), "")
        busy = [f"{name} {label}" for name, label in sorted(self._labels.items()) if label]
        count = f"{len(self._names)} nodes"
        return f"{count}: {', '.join(busy)}" if busy else count


class FailureReasons:
    """Shows a reason once, and its further count at the end: an environment that cannot be made
    fails a hundred cells."""

    def __init__(self) -> None:
        self._repeats: dict[str, int] = {}

    def line(self, event: CellDone) -> str:
        """The line of a failed cell; empty where it did not fail or its reason was shown before."""
        if event.status in NO_FAILURE or event.will_retry:
            return ""
        if event.reason in self._repeats:
            self._repeats[event.reason] += 1
            return ""
        self._repeats[event.reason] = 0
        where = f" on {event.node}" if event.node else ""
        return f"{event.status}: {event.label}{where}: {event.reason}"

    def repeated(self) -> list[str]:
        """A line for each reason that came more than once; the counts start again from zero."""
        repeats, self._repeats = self._repeats, {}
        return [
            f"{count} more cell{'s' if count > 1 else ''} failed so: {reason}"
            for reason, count in repeats.items()
            if count
        ]
