"""A quantgrid command in a process of its own, which a page starts, watches and ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress

from grid.units import format_seconds

GRACE_S = 5.0
"""From asking the command to end, which closes its engine, to killing it."""


class BackgroundCommand:
    """`python -m grid ...`, ended when it takes longer than its limit, whoever still watches."""

    def __init__(
        self, arguments: Sequence[str], standard_input: str = "", limit_s: float = 600.0
    ) -> None:
        """Start it. Raises OSError."""
        self.limit_s = limit_s
        self.lines: list[str] = []
        self.why_ended = ""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (open as long as the process)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "grid", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )
        self._limit = threading.Timer(limit_s, self.cancel, (self._too_long(),))
        self._limit.daemon = True
        self._reader = threading.Thread(target=self._read, args=(standard_input,), daemon=True)
        self._reader.start()
        self._limit.start()

    @property
    def running(self) -> bool:
        return self._reader.is_alive()

    @property
    def code(self) -> int | None:
        """The exit code; None while it runs."""
        return None if self.running else self._process.returncode

    def error(self) -> str:
        """The last line that it said on standard error, without the command's name."""
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - 4000))
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1].removeprefix("grid: ") if lines else ""

    def wait(self) -> None:
        """Return when it has ended."""
        self._reader.join()

    def cancel(self, why: str = "cancelled") -> None:
        """Ask it to end; it is killed where it does not."""
        if not self.running:
            return
        self.why_ended = self.why_ended or why
        self._signal(signal.SIGTERM)
        killer = threading.Timer(GRACE_S, self._signal, (signal.SIGKILL,))
        killer.daemon = True
        killer.start()

    def _too_long(self) -> str:
        return f"it took longer than {format_seconds(self.limit_s)}"

    def _signal(self, number: signal.Signals) -> None:
        if self._process.poll() is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def _read(self, standard_input: str) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError), self._process.stdin as pipe:
            pipe.write(standard_input.encode(errors="replace"))
        for line in self._process.stdout:
            self.lines.append(line.decode(errors="replace"))
        self._process.wait()
        self._limit.cancel()
