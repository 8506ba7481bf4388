"""A server that is started for an artifact, and ended with its engine."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

import psutil

from grid.backend import EngineError, OutOfMemory, is_out_of_memory
from grid_openai.client import Client, Refused

_LOOK_S = 0.1
_END_S = 5.0
"""Seconds that a server has to end by itself."""
_LOG_BYTES = 4000
_LOG_LINES = 3
_DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of Linux."""


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A program that serves on a port of loopback; it is ready once `path` answers.

    Raises EngineError or OutOfMemory, with the last lines of its log, where it ends or is not ready
    within `limit_s`.
    """

    def __init__(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        port: int,
        path: str,
        limit_s: float,
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._name = argv[2] if argv[1] == "-m" else os.path.basename(argv[0])
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (open as long as the server)
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                env={**os.environ, **environment},
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        except OSError as error:
            self._log.close()
            raise EngineError(f"{self._name} does not start: {error.strerror or error}") from error
        try:
            self._wait(path, limit_s)
        except BaseException:
            self.close()
            raise

    def _wait(self, path: str, limit_s: float) -> None:
        deadline = time.monotonic() + limit_s
        while not self._is_ready(path, min(limit_s, 5.0)):
            if self._process.poll() is not None:
                raise self._failure(f"{self._name} ended with {self._process.returncode}")
            if time.monotonic() > deadline:
                raise self._failure(
                    f"{self._name} is not ready after {limit_s:g} s; raise start_limit if it was "
                    "only slow"
                )
            time.sleep(_LOOK_S)

    def _is_ready(self, path: str, timeout_s: float) -> bool:
        try:
            Client(self.url, timeout_s=timeout_s).get(path)
        except Refused as error:
            return error.http_status in (401, 403)
        except EngineError:
            return False
        return True

    def _failure(self, problem: str) -> EngineError:
        text = self.log_end()
        kind = OutOfMemory if is_out_of_memory(RuntimeError(text)) else EngineError
        return kind(f"{problem}{f': {text}' if text else ''}")

    def check_alive(self) -> None:
        """Raises EngineError, with the end of the log, where the server has ended."""
        if self._process.poll() is not None:
            raise self._failure(f"{self._name} ended with {self._process.returncode}")

    def log_end(self) -> str:
        """The last lines of the server's output, as one."""
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - _LOG_BYTES))
        lines = self._log.read().decode(errors="replace").splitlines()
        return " / ".join([text for line in lines if (text := line.strip())][-_LOG_LINES:])[:400]

    def peak_bytes(self) -> int | None:
        """The most resident memory of the server's processes, each at its own peak; None where the
        system does not tell it."""
        total = 0
        try:
            for process in self._family():
                with open(f"/proc/{process.pid}/status") as status:
                    peak = next(line for line in status if line.startswith("VmHWM:"))
                total += int(peak.split()[1]) * 1024
        except (OSError, StopIteration, psutil.Error):
            return None
        return total

    def _family(self) -> list[psutil.Process]:
        top = psutil.Process(self._process.pid)
        return [top, *top.children(recursive=True)]

    def close(self) -> None:
        """End the server and what it started, and wait for them."""
        family: list[psutil.Process] = []
        with suppress(psutil.Error):
            family = self._family()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
        for process in family:
            with suppress(psutil.Error):
                process.kill()
        self._process.wait()
        self._log.close()


def _die_with_parent() -> None:
    """Linux ends the server where this process is killed, and has no time to."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
