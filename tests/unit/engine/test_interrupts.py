"""Interrupts, asked for in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

DROPPED = """
import os, signal
from grid.engine import interrupts
signal.signal(signal.SIGINT, signal.default_int_handler)
interrupts.listen()
class Last:
    def __del__(self):
        os.kill(os.getpid(), signal.{number})
        for _ in range(1000):
            pass
one = Last()
del one
print("went on")
try:
    interrupts.check()
except KeyboardInterrupt:
    print("interrupted")
interrupts.check()
print("once")
"""


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_interrupt_that_python_drops_is_raised_at_the_next_check(number: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DROPPED.format(number=number)],
        env=os.environ.copy(),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert "Exception ignored in" in done.stderr
    assert done.stdout.split("\n") == ["went on", "interrupted", "once", ""]
