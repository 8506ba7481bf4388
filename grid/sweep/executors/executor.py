"""The executor of a sweep, which runs sessions on nodes and reports their events; one runs them in
this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from grid.cells.cell import Cell
from grid.plan.order import Session
from grid.sweep.events import Event, Notice, Settings
from grid.sweep.executors.worker import Worker
from grid.sweep.node_report import Report


class Joined(NamedTuple):
    """A node is ready for work. `place` names it as long as it is there; one that comes back is
    another place."""

    place: str
    report: Report


class Left(NamedTuple):
    """A node is gone with what it was doing; nothing more comes from it."""

    place: str
    reason: str


class NodeEvent(NamedTuple):
    """An event of what a node is doing. Before the node has joined, `place` is its name."""

    place: str
    event: Event


class NodeIdle(NamedTuple):
    """A node has done all sessions that it was given."""

    place: str


class Gathered(NamedTuple):
    """Every node that was there at the start has joined, or will not soon."""


ExecutorEvent = Joined | Gathered | Left | NodeEvent | NodeIdle | Notice


class Executor(Protocol):
    """Nodes that take sessions. Raises ClusterLost from any method where all are lost at once."""

    def offer(self, cells: Iterable[Cell]) -> None:
        """Make what these cells read on this machine (weights, texts, items) known to the nodes,
        before any is started. Raises InputError where something is gone."""
        ...

    def start(self, place: str, sessions: Sequence[Session]) -> None:
        """Let a node run sessions; returns at once. It must have none."""
        ...

    def next_event(self, timeout_s: float) -> ExecutorEvent | None:
        """The next event; None where there was none in that time."""
        ...

    def close(self) -> None:
        """End everything that was started, at once."""
        ...


class InlineExecutor:
    """This machine alone, driven from this process."""

    def __init__(self, report: Report, settings: Settings) -> None:
        self._place = report.node.name
        self._pending: deque[ExecutorEvent] = deque([Joined(self._place, report), Gathered()])
        self._worker = Worker(report.node, settings)
        self._running: Iterator[Event] | None = None

    def offer(self, cells: Iterable[Cell]) -> None:
        """Nothing to do: it is all on this machine."""

    def start(self, place: str, sessions: Sequence[Session]) -> None:
        self._running = (event for session in sessions for event in self._worker.run(session))

    def next_event(self, timeout_s: float) -> ExecutorEvent | None:
        if self._pending:
            return self._pending.popleft()
        if self._running is None:
            return None
        event = next(self._running, None)
        if event is None:
            self._running = None
            return NodeIdle(self._place)
        return NodeEvent(self._place, event)

    def close(self) -> None:
        self._worker.close()
