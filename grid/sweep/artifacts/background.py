"""Runs work that takes minutes in a thread and turns its output into events."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator

from grid.sweep.events import BEGINS, Event, Preparing

LINE_EVERY_S = 1.0
"""Seconds between two lines of an installer or a download."""

OnLine = Callable[[str], None]


def run_in_background(what: str, label: str, work: Callable[[OnLine], object]) -> Iterator[Event]:
    """Run `work` in a thread and yield its lines as events, at most one a second; its error is
    raised here. Once the iterator is closed, the next line that `work` reports ends it."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    failed: list[BaseException] = []
    closed = threading.Event()

    def on_line(line: str) -> None:
        if closed.is_set():
            raise _IteratorClosed
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
        closed.set()
    thread.join()
    if failed:
        raise failed[0]


class _IteratorClosed(Exception):
    """Raised in the work when nobody reads its events any longer."""
