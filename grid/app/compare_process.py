"""The process in which a page's comparisons run: it lists, then answers one request at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec

from grid.units import format_seconds

GRACE_S = 5.0
"""From asking the process to end, which closes its engine, to killing it."""

LIMIT_S = 900.0
"""Most seconds for a list or a comparison, with making the quants that it lacks."""


class CompareProcess:
    """`python -m grid.cli.compare_server STORE`, ended when an answer takes longer than the limit.

    `variants` is None until the list is there; `outputs` and `comparison` are of the last request,
    `doing` is what is being done for it.
    """

    def __init__(self, store: str, limit_s: float = LIMIT_S) -> None:
        """Start it. Raises OSError."""
        self.limit_s = limit_s
        self.variants: list[dict[str, Any]] | None = None
        self.why_ended = ""
        self.doing = ""
        self.outputs: dict[int, dict[str, Any]] = {}
        self.comparison: dict[str, Any] | None = None
        self.failure = ""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (open as long as the process)
        self._answered = threading.Event()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "grid.cli.compare_server", store],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._start_timer()

    @property
    def alive(self) -> bool:
        return self._reader.is_alive()

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited."""
        return not self._answered.is_set()

    def ask(self, variants: Sequence[str], prompt: str, tokens: int) -> None:
        """Begin a comparison of the variants of these ids; it must not be busy."""
        self.outputs, self.comparison, self.failure, self.doing = {}, None, "", "starting"
        self._answered.clear()
        self._start_timer()
        request = {"variants": list(variants), "prompt": prompt, "tokens": tokens}
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # then its end says why
            self._process.stdin.write(msgspec.json.encode(request) + b"\n")
            self._process.stdin.flush()

    def wait(self) -> None:
        """Return when it has answered, or ended."""
        self._answered.wait()

    def close(self, why: str = "cancelled") -> None:
        """Ask it to end; it is killed where it does not."""
        if not self.alive:
            return
        self.why_ended = self.why_ended or why
        self._signal(signal.SIGTERM)
        killer = threading.Timer(GRACE_S, self._signal, (signal.SIGKILL,))
        killer.daemon = True
        killer.start()

    def _start_timer(self) -> None:
        why = f"it took longer than {format_seconds(self.limit_s)}"
        self._limit = threading.Timer(self.limit_s, self.close, (why,))
        self._limit.daemon = True
        self._limit.start()

    def _signal(self, number: signal.Signals) -> None:
        if self._process.poll() is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(b"{"):
                self._take(msgspec.json.decode(line))
        self._process.wait()
        if self.busy:
            self.failure = self.why_ended or self._last_error()
        self._end_answer()

    def _take(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "variants":
                self.variants = list(event["variants"])
                self._end_answer()
            case "doing":
                self.doing = f"{event['label']}: {event['line']}"
            case "output":
                self.outputs[int(event["place"])] = event["output"]
            case "compared":
                self.comparison = event
                self._end_answer()
            case "failed":
                self.failure = str(event["reason"])
                self._end_answer()

    def _end_answer(self) -> None:
        self._limit.cancel()
        self._answered.set()

    def _last_error(self) -> str:
        """The last line of its standard error, without the command's name."""
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - 4000))
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        code = f"exit code {self._process.returncode}"
        return lines[-1].removeprefix("grid: ") if lines else code
