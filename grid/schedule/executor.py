"""The protocol of executors, and the one that runs in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from grid.node import Node
from grid.plan.order import Session
from grid.schedule.events import Event, Settings
from grid.schedule.worker import Worker


class Executor(Protocol):
    """Runs sessions somewhere. Each cell of each session gets exactly one CellDone."""

    def run(self, sessions: Sequence[Session]) -> Iterator[Event]: ...

    def close(self) -> None:
        """End everything that was started, at once."""
        ...


class InlineExecutor:
    """Drives the engine's process from here, without Ray."""

    def __init__(self, node: Node, settings: Settings) -> None:
        self._worker = Worker(node, settings)

    def run(self, sessions: Sequence[Session]) -> Iterator[Event]:
        for session in sessions:
            yield from self._worker.run(session)

    def close(self) -> None:
        self._worker.close()
