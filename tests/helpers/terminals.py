"""Commands on a real terminal of some width, and what people see of them."""

from __future__ import annotations

import io
import os
import pty
import re
import sys
import termios
import threading
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from rich.cells import cell_len

from grid.__main__ import main

SEQUENCE = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))")
"""Colours and the like, which a terminal takes no room for."""

NUMBER = re.compile(r"-?\d[\d.,]*(?:e[+-]?\d+)?")


class Shown(NamedTuple):
    """What a command printed, standard error among it on a terminal, and its exit code."""

    text: str
    code: int

    @property
    def lines(self) -> list[str]:
        """What stays on the screen: a return to the start of a line writes over it."""
        lines = SEQUENCE.sub("", self.text).split("\n")
        return [line.rsplit("\r", 1)[-1] for line in lines]


class Terminals:
    """Runs the command line in this process with its output on a terminal or in a pipe."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        for name in ("COLUMNS", "LINES", "NO_COLOR"):
            monkeypatch.delenv(name, raising=False)

    def on_terminal(self, words: Sequence[str], columns: int) -> Shown:
        """On a pseudo-terminal of that width."""
        reader, writer = pty.openpty()
        termios.tcsetwinsize(writer, (50, columns))
        shown = self._run(words, reader, writer, with_errors=True)
        return Shown(shown.text.replace("\r\n", "\n"), shown.code)

    def in_pipe(self, words: Sequence[str]) -> Shown:
        """Into a pipe; standard error goes elsewhere."""
        return self._run(words, *os.pipe(), with_errors=False)

    def _run(self, words: Sequence[str], reader: int, writer: int, with_errors: bool) -> Shown:
        received = bytearray()
        receiving = threading.Thread(target=_receive, args=(reader, received))
        receiving.start()
        with self._monkeypatch.context() as patch:
            stream = io.TextIOWrapper(io.FileIO(writer, "wb"), "utf-8", write_through=True)
            patch.setattr(sys, "argv", ["grid", *words])
            patch.setattr(sys, "stdout", stream)
            with open(os.devnull, "w") as nowhere:
                patch.setattr(sys, "stderr", stream if with_errors else nowhere)
                with pytest.raises(SystemExit) as end:
                    main()
                sys.stderr.flush()
            stream.close()
        receiving.join()
        return Shown(received.decode("utf-8", "replace"), int(end.value.code or 0))


def _receive(reader: int, received: bytearray) -> None:
    while True:
        try:
            data = os.read(reader, 65536)
        except OSError:  # the other end of a terminal is closed
            data = b""
        if not data:
            break
        received += data
    os.close(reader)


def faults(shown: Shown, width: int, whole: Shown | None = None) -> list[str]:
    """Lines wider than `width`, or with blanks at their end; and numbers that the same output
    without limits, `whole`, has otherwise."""
    wide = [f"wider: {line}" for line in shown.lines if cell_len(line) > width]
    blank = [f"blanks: {line!r}" for line in shown.lines if line != line.rstrip()]
    split = []
    if whole is not None:
        split = [f"split: {number}" for number in sorted(_numbers(shown) - _numbers(whole))]
    return wide + blank + split


def _numbers(shown: Shown) -> set[str]:
    """Words that are a number, without the brackets and commas around them."""
    words = (word.strip("[]();:,%") for line in shown.lines for word in line.split())
    return {word for word in words if NUMBER.fullmatch(word)}
