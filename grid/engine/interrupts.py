"""Interrupts that are not lost.

Python drops a KeyboardInterrupt that is raised in a finalizer or in a callback of the import
system, and what was interrupted goes on. So each interrupt is noted, and long work checks for it.
"""

from __future__ import annotations

import signal
from types import FrameType

_interrupted = False


def listen() -> None:
    """Handle Ctrl-C, unless this process is to ignore it (as a shell's background job is), and
    SIGTERM, which ends this process as Ctrl-C does."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)


def check() -> None:
    """Raise KeyboardInterrupt where one came and was dropped."""
    global _interrupted
    if _interrupted:
        _interrupted = False  # what flushes and closes afterwards is not interrupted once more
        raise KeyboardInterrupt


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _interrupted
    _interrupted = True
    raise KeyboardInterrupt
