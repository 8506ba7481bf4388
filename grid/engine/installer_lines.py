"""What a package installer prints, thinned out for people who wait for it."""

from __future__ import annotations

import time
from collections.abc import Callable

INTERVAL_S = 5.0
"""Least seconds between two lines that are shown."""


class InstallerLines:
    """Shows an installer's newest line, `INTERVAL_S` after the one before."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._last = time.monotonic()

    def __call__(self, line: str) -> None:
        if time.monotonic() - self._last >= INTERVAL_S:
            self._last = time.monotonic()
            self._say(f"  {line}")
