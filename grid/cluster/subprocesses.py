"""Programs that run beside this one, many at a time, and end with it on Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Ending(Exception):
    """No program is started any more: an interrupt ends everything."""


class _Processes:
    """The programs that run now."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processes: set[subprocess.Popen[Any]] = set()
        self.ending = False

    def add(self, start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        with self._lock:
            if self.ending:
                raise Ending
            process = start()
            self._processes.add(process)
            return process

    def remove(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._processes.discard(process)

    def end(self, ending: bool) -> None:
        """Kill all and start none any more, or start some again."""
        with self._lock:
            self.ending = ending
            for process in self._processes if ending else ():
                kill(process)


_running = _Processes()


def call(
    command: Sequence[str],
    input: bytes = b"",
    timeout_s: float | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end and keep its output; killed, with all below it, where that takes
    longer or this thread is interrupted. Raises TimeoutExpired, FileNotFoundError."""

    def start() -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        # in a session of its own: Ctrl-C is for us to hear
        return subprocess.Popen(
            command,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env=environment,
            start_new_session=True,
        )

    process = _running.add(start)
    try:
        stdout, stderr = process.communicate(input, timeout_s)
    except BaseException:
        kill(process)
        process.communicate()
        raise
    finally:
        _running.remove(process)
    if _running.ending:
        raise Ending
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


class OutputStream:
    """A program's output, line by line with the line ends; `code` is set after the block."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.code: int | None = None

    def __iter__(self) -> Iterator[str]:
        assert self._process.stdout is not None
        return iter(self._process.stdout)


@contextmanager
def stream_output(
    command: Sequence[str], limit_s: float, folder: Path, environment: Mapping[str, str]
) -> Iterator[OutputStream]:
    """Run a program in a folder and read its standard output and error. Leaving the block early, or
    `limit_s`, ends it and all below it. Raises TimeoutExpired at the block's end."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    lines, late = OutputStream(process), threading.Event()

    def give_up() -> None:
        late.set()
        kill(process)

    limit = threading.Timer(limit_s, give_up)
    limit.daemon = True
    limit.start()
    try:
        yield lines
        lines.code = process.wait()
    finally:
        limit.cancel()
        kill(process)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    if late.is_set():
        raise subprocess.TimeoutExpired(command, limit_s)


def kill(process: subprocess.Popen[Any]) -> None:
    """Kill a program that leads a session of its own, and all in that session."""
    if process.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def run_concurrently(act: Callable[[Item], Answer], items: Sequence[Item]) -> list[Answer]:
    """Act on all items at once; the answers in their order. An interrupt, or the first error, ends
    the programs called for the others too."""
    pool = ThreadPoolExecutor(max(1, len(items)))
    futures = [pool.submit(act, item) for item in items]
    try:
        return [future.result() for future in futures]
    except BaseException:
        _running.end(True)
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        _running.end(False)
