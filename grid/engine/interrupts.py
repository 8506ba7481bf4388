"""Interrupts that are not lost.

Python drops a KeyboardInterrupt that is raised in a finalizer or in a callback of the import
system, and what was interrupted goes on. So that it was asked for is kept, and long work looks.
"""

from __future__ import annotations

import signal
from types import FrameType

_asked = False


def listen() -> None:
    """Take Ctrl-C, unless this process is to ignore it (as a shell's background job is), and a
    queue's or a system's stop, which ends us as Ctrl-C does."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)


def check() -> None:
    """Raise KeyboardInterrupt where one was asked for and dropped."""
    global _asked
    if _asked:
        _asked = False  # what flushes and closes afterwards is not interrupted once more
        raise KeyboardInterrupt


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _asked
    _asked = True
    raise KeyboardInterrupt
