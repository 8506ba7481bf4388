"""What an engine's process says of its progress, as events."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

from grid.engine import messages
from grid.sweep.events import Event, Working

Reply = TypeVar("Reply")


def working(
    steps: Generator[messages.RequestProgress, None, Reply], verb: str
) -> Generator[Event, None, Reply]:
    """The events `VERB 3 of 8 chunks` of a request to a process, and its reply."""
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            reply: Reply = end.value
            return reply
        yield Working(what=f"{verb} {step.done} of {step.total} {step.unit}")
