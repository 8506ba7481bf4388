"""Attacks on the sandbox, and what a test sees of them from outside, in /proc."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

NAME_ITSELF = """
import ctypes, os
def call_myself(name):
    ctypes.CDLL(None).prctl(15, name.encode(), 0, 0, 0)
"""
"""PR_SET_NAME: what /proc/PID/comm says, of the process and of what it forks."""


def succeeds_unconfined(source: str) -> bool:
    """Whether the attack works in an ordinary Python here: it does nothing to be kept from it."""
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, timeout=60, check=False
    )
    return done.returncode == 0


def processes_named(name: str) -> list[Path]:
    """Folders in /proc of the processes that call themselves so, in whatever namespace."""
    return [path for path in Path("/proc").iterdir() if path.name.isdigit() and _name(path) == name]


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return ""


def wait_until(condition: Callable[[], object], seconds: float = 20) -> bool:
    """Whether the condition came true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


@contextmanager
def watching(name: str, read: Callable[[list[Path]], int]) -> Iterator[list[int]]:
    """What `read` says of the processes of that name, again and again while the block runs."""
    readings: list[int] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            processes = processes_named(name)
            if processes:
                readings.append(read(processes))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield readings
    finally:
        done.set()
        thread.join()


def status_field(process: Path, field: str) -> str:
    """A line of /proc/PID/status, without its name; empty where the process has ended."""
    try:
        lines = (process / "status").read_text().splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(field)), "")
