"""Crews: the nodes that run sessions, and how they are heard. One runs in this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from grid.cells.cell import Cell
from grid.plan.order import Session
from grid.sweep.events import Event, Settings
from grid.sweep.executors.worker import Worker
from grid.sweep.node_report import Report


class Joined(NamedTuple):
    """A node is ready for work. `place` names it as long as it is there; one that comes back is
    another place."""

    place: str
    report: Report


class Left(NamedTuple):
    """A node is gone with what it was doing; nothing more is heard of it."""

    place: str
    reason: str


class Told(NamedTuple):
    """Events of what a node is doing, in order."""

    place: str
    events: tuple[Event, ...]


class Ended(NamedTuple):
    """A node has done all sessions that it was given."""

    place: str


class Gathered(NamedTuple):
    """Every node that was there at the start has joined, or will not soon."""


class Noted(NamedTuple):
    """Something that the user should know."""

    text: str


Heard = Joined | Gathered | Left | Told | Ended | Noted


class Crew(Protocol):
    """Nodes that take sessions. Raises ClusterLost from any method where all are lost at once."""

    def offer(self, cells: Iterable[Cell]) -> None:
        """Make what these cells read on this machine (weights, texts, items) known to the nodes,
        before any is given. Raises InputError where something is gone."""
        ...

    def give(self, place: str, sessions: Sequence[Session]) -> None:
        """Let a node run sessions; returns at once. It must have none."""
        ...

    def hear(self, timeout_s: float) -> Heard | None:
        """What happened next; None where nothing did in that time."""
        ...

    def close(self) -> None:
        """End everything that was started, at once."""
        ...


class InlineCrew:
    """This machine alone, driven from this process."""

    def __init__(self, report: Report, settings: Settings) -> None:
        self._place = report.node.name
        self._heard: deque[Heard] = deque([Joined(self._place, report), Gathered()])
        self._worker = Worker(report.node, settings)
        self._running: Iterator[Event] | None = None

    def offer(self, cells: Iterable[Cell]) -> None:
        """Nothing to do: it is here."""

    def give(self, place: str, sessions: Sequence[Session]) -> None:
        self._running = (event for session in sessions for event in self._worker.run(session))

    def hear(self, timeout_s: float) -> Heard | None:
        if self._heard:
            return self._heard.popleft()
        if self._running is None:
            return None
        event = next(self._running, None)
        if event is None:
            self._running = None
            return Ended(self._place)
        return Told(self._place, (event,))

    def close(self) -> None:
        self._worker.close()
