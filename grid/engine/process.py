"""The driver's side of an engine's process: start it, ask it, and end it in time."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import msgspec

from grid.cache import CACHE_VARIABLE, cache_dir
from grid.engine import interrupts, messages
from grid.engine.closable import Closable
from grid.errors import (
    EngineDied,
    EngineError,
    EngineTimeout,
    OutOfMemory,
    Unsupported,
)
from grid.units import format_seconds

LOOK_S = 1.0
"""Seconds between checks for an interrupt."""

_FAILURES: dict[str, type[EngineError]] = {"oom": OutOfMemory, "unsupported": Unsupported}


class EngineProcess(Closable):
    """A child that speaks grid.engine.messages over two pipes. One request at a time.

    `python` is the interpreter of the backend's environment, `imports` the folder in which it finds
    this package and the plugins (None: they are importable there as they are here), `module` what
    it runs. Its standard output and error go to a log file, whose end is quoted when it dies.
    """

    def __init__(
        self,
        python: str = sys.executable,
        imports: str | None = None,
        module: str = "grid.engine.host",
    ) -> None:
        self.loaded_only = True
        """True until a workload has run: peak memory is a fresh process's."""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (open as long as the process)
        # Some engines write logs into the folder they are started in, which is the user's.
        self._folder = tempfile.TemporaryDirectory(
            prefix="grid-engine-",
            ignore_cleanup_errors=True,  # a child of the engine's may be writing there still
        )
        request_out, self._requests = os.pipe()
        self._replies, reply_in = os.pipe()
        self._buffer = b""
        try:
            self._process = subprocess.Popen(
                [python, "-m", module, str(request_out), str(reply_in), self._folder.name],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=(request_out, reply_in),
                env=_environment(imports),
                cwd=self._folder.name,
                start_new_session=True,  # Ctrl-C is ours to handle, and a group of its own to end
            )
        except OSError as error:
            for descriptor in (self._requests, self._replies):
                os.close(descriptor)
            self._log.close()
            self._folder.cleanup()
            raise EngineError(f"the engine's process does not start: {error}") from error
        finally:
            os.close(request_out)
            os.close(reply_in)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, request: messages.Request, timeout_s: float) -> messages.Reply:
        """The reply, which is never Failed: that is raised as the EngineError it names.

        Raises EngineTimeout after killing a process that does not answer, EngineDied where it ended
        by itself, OutOfMemory where the system killed it.
        """
        steps = self.steps(request, timeout_s)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                reply: messages.Reply = end.value
                return reply

    def steps(
        self, request: messages.Request, timeout_s: float
    ) -> Generator[messages.RequestProgress, None, messages.Reply]:
        """As `ask`, and yields how far the request is."""
        self.loaded_only = isinstance(request, messages.Load)
        deadline = time.monotonic() + timeout_s
        line = self.exchange(messages.encode(request), timeout_s)
        while isinstance(reply := _decode(line), messages.RequestProgress):
            yield reply
            line = self._answer(max(0.0, deadline - time.monotonic()), timeout_s)
        if isinstance(reply, messages.Failed):
            failure = _FAILURES.get(reply.status, EngineError)(reply.reason)
            failure.engine_s = reply.engine_s
            raise failure
        return reply

    def exchange(self, request: bytes, timeout_s: float) -> bytes:
        """The line that answers a line; both end with a newline."""
        try:
            _write_all(self._requests, request)
        except BrokenPipeError:
            raise self._death_error() from None
        return self._answer(timeout_s, timeout_s)

    def _answer(self, left_s: float, timeout_s: float) -> bytes:
        """The next line, which comes within `left_s` of the whole `timeout_s`."""
        started = time.perf_counter()
        try:
            return self._read_line(left_s, timeout_s)
        except EngineError as error:
            # it died or hung in an engine call, which may have begun before the last report
            error.engine_s = timeout_s - left_s + time.perf_counter() - started
            raise

    def close(self) -> None:
        """End the process and everything that it started."""
        # Forgotten before they are closed: an interrupt in between must not close them twice.
        pipes, self._requests, self._replies = (self._requests, self._replies), -1, -1
        for pipe in pipes:
            if pipe >= 0:
                os.close(pipe)  # it sees the end of the pipe and leaves
        with suppress(subprocess.TimeoutExpired):  # where it is busy in an engine call
            self._process.wait(timeout=0.5)
        self._kill()
        self._log.close()
        self._folder.cleanup()

    def _read_line(self, left_s: float, timeout_s: float) -> bytes:
        deadline = time.monotonic() + left_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._replies, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                interrupts.check()
                left = deadline - time.monotonic()
                if left > 0 and not selector.select(min(left, LOOK_S)):
                    continue
                if left <= 0:
                    self._kill()
                    raise EngineTimeout(
                        f"no answer within {format_seconds(timeout_s)}, the engine was killed; "
                        "raise [budget] cell_timeout if it was only slow"
                    )
                received = os.read(self._replies, 1 << 20)
                if not received:
                    raise self._death_error()
                self._buffer += received
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _death_error(self) -> EngineError:
        code = self._process.wait()
        if code == -signal.SIGKILL:
            return OutOfMemory("the system killed the engine's process, most likely for its memory")
        cause = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return EngineDied(f"the engine's process died ({cause}){self._last_words()}")

    def _last_words(self) -> str:
        """The last line of the log that says something, to end an error message with."""
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - 4000))
        lines = self._log.read().decode(errors="replace").splitlines()
        stack = ("File ", "Thread ", "Current thread", "Extension modules", "Stack")
        texts = [text for line in lines if (text := line.strip()) and not text.startswith(stack)]
        return f": {texts[-1][:200]}" if texts else ""

    def _kill(self) -> None:
        """The whole group: an engine may have started processes of its own."""
        # No group is left to kill, or (as macOS says it) only a zombie.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _decode(line: bytes) -> messages.Reply | messages.RequestProgress:
    try:
        return messages.decode_reply(line)
    except msgspec.MsgspecError as error:
        raise EngineError(f"the engine gave values that are no numbers: {error}") from error


def _write_all(pipe: int, data: bytes) -> None:
    """A pipe takes what it has room for, which is less than many answers of a model."""
    unwritten = memoryview(data)
    while unwritten:
        unwritten = unwritten[os.write(pipe, unwritten) :]


def _environment(imports: str | None) -> dict[str, str]:
    """Variables of the process: what it may import, and where the cache is."""
    path = imports
    if path is None:
        root = str(Path(__file__).resolve().parents[2])
        inherited = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
        # The process has a working folder of its own: what is relative to ours is made absolute.
        path = os.pathsep.join([root, *map(os.path.abspath, inherited)])
    variables = {**os.environ, CACHE_VARIABLE: str(cache_dir()), "PYTHONPATH": path}
    if imports is not None:
        for name in ("VIRTUAL_ENV", "PYTHONHOME"):  # of another interpreter than this one
            variables.pop(name, None)
    return variables
