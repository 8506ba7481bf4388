"""Standard output and error that are closed, full or not in UTF-8: one line instead of a traceback,
and an exit code that says so."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any, TextIO

OUTPUT_LOST = 1
PIPE_CLOSED = 128 + signal.SIGPIPE
"""What a shell shows for a program that wrote into a pipe which nobody reads any more."""


@contextlib.contextmanager
def guarded_streams() -> Iterator[None]:
    """Run a command whose output may have nowhere to go.

    A full disk or a closed output loses text and stops nothing: a sweep goes on, and the end says
    it in one line, with exit code 1 where the command itself had 0. A closed pipe, as of `| head`,
    ends the command silently with exit code 141. Characters that an encoding lacks are written as
    escapes.
    """
    _occupy_closed_descriptors()
    sys.stderr = _guard(sys.stderr, 2, ends=False)[1]
    output, sys.stdout = _guard(sys.stdout, 1, ends=True)
    code: Any = 0
    try:
        yield
    except SystemExit as end:
        code = end.code
    except BrokenPipeError:
        if not output.pipe_closed:
            raise
    sys.exit(_end(output, code))


def write_progress(line: str) -> None:
    """A line on standard error at once; nothing for an empty one."""
    if line:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def _end(output: _Output, code: Any) -> Any:
    """Write what is left; returns the exit code."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    if output.pipe_closed:
        os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())  # for what is still in buffers
        return PIPE_CLOSED
    if output.problem:
        sys.stderr.write(f"grid: {output.problem}; not all of the output was written\n")
        return code or OUTPUT_LOST
    return code


class _Output(io.FileIO):
    """A file descriptor that takes text even where it cannot write it.

    `problem` says why text was lost; `pipe_closed` is True where nobody reads the pipe, which
    `ends` the command.
    """

    def __init__(self, descriptor: int, closed: bool, ends: bool) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self._was_closed, self._ends = closed, ends
        self.problem = ""
        self.pipe_closed = False

    def write(self, data: Any) -> int:
        """Write, or lose the data. Raises BrokenPipeError where that ends the command."""
        if self._was_closed:
            self.problem = "standard output is closed"
            return len(data)
        try:
            return super().write(data)
        except BrokenPipeError:
            self.pipe_closed = True
            if self._ends:
                raise
        except OSError as error:
            self.problem = f"standard output: {error.strerror or error}"
        return len(data)


def _guard(stream: TextIO | None, descriptor: int, ends: bool) -> tuple[_Output, TextIO]:
    """A stream that never fails, in place of one that may; None stands for the closed one of a
    descriptor."""
    place = descriptor if stream is None else stream.fileno()
    output = _Output(place, closed=stream is None, ends=ends)
    plain = stream if isinstance(stream, io.TextIOWrapper) else None
    with contextlib.suppress(OSError, ValueError):
        if plain is not None:
            plain.flush()
    text = io.TextIOWrapper(
        io.BufferedWriter(output),
        encoding=plain.encoding if plain else "utf-8",
        errors="backslashreplace",
        line_buffering=plain is not None and (plain.line_buffering or plain.write_through),
        write_through=plain.write_through if plain else False,
    )
    return output, text


def _occupy_closed_descriptors() -> None:
    """Give closed standard streams to the null device, so that no file of ours gets their number
    and with it what child processes print."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
