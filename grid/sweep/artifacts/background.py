"""Work of minutes in a thread, and what it says meanwhile as events."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator

from grid.sweep.events import BEGINS, Event, Preparing

LINE_EVERY_S = 1.0
"""Seconds between two lines of what an installer or a download says."""

OnLine = Callable[[str], None]


def run_in_background(what: str, label: str, work: Callable[[OnLine], object]) -> Iterator[Event]:
    """Runs `work` in a thread and yields what it says, at most once a second; its error is raised
    here. Where nobody listens any longer, the next item that it says ends it."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    failed: list[BaseException] = []
    left = threading.Event()

    def on_line(line: str) -> None:
        if left.is_set():
            raise _NobodyListens
        lines.put(line)

    def run() -> None:
        try:
            work(on_line)
        except BaseException as error:
            failed.append(error)
        lines.put(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    last = 0.0
    try:
        yield Preparing(what=what, label=label, line=BEGINS)
        while (line := lines.get()) is not None:
            if time.monotonic() - last >= LINE_EVERY_S:
                last = time.monotonic()
                yield Preparing(what=what, label=label, line=line)
    finally:
        left.set()
    thread.join()
    if failed:
        raise failed[0]


class _NobodyListens(Exception):
    """The events were closed before their end."""
