"""Work in a thread that tells what it does."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from grid.sweep.artifacts.background import run_in_background
from grid.sweep.events import BEGINS, Preparing


def test_background_events_begin_with_the_work_and_end_with_it() -> None:
    done: list[str] = []

    def work(say: Callable[[str], None]) -> None:
        say("half")
        done.append("all")

    lines = [
        event.line
        for event in run_in_background("fetch", "x", work)
        if isinstance(event, Preparing)
    ]
    assert lines == [BEGINS, "half"]
    assert done == ["all"]


def test_an_error_of_background_work_is_raised_to_the_reader() -> None:
    def work(say: Callable[[str], None]) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        list(run_in_background("fetch", "x", work))


def test_background_work_ends_at_its_next_line_once_its_events_are_closed() -> None:
    go, ended = threading.Event(), threading.Event()

    def work(say: Callable[[str], None]) -> None:
        go.wait(30)
        try:
            say("on and on")
        except Exception:
            ended.set()
            raise

    events = run_in_background("fetch", "x", work)
    first = next(iter(events))
    assert isinstance(first, Preparing)
    assert first.line == BEGINS
    events.close()  # type: ignore[attr-defined]
    go.set()
    assert ended.wait(30)
