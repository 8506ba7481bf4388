"""One console for what is shown, and the plain form of values."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPE_WIDTH = 160
"""Columns where standard output is not a terminal."""


def console() -> Console:
    """Standard output; wide where it is a file or a pipe, so that no table is cut there."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)


def table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()
) -> Table:
    """A table without lines between rows; `right` are the columns of numbers."""
    drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for index, name in enumerate(columns):
        drawn.add_column(name, justify="right" if index in right else "left", no_wrap=True)
    for row in rows:
        drawn.add_row(*map(Text, row))  # as it is: what is in brackets is no markup
    return drawn


def print_json(value: Any) -> None:
    """A value as indented JSON on standard output."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2)
    sys.stdout.write(text.decode() + "\n")


def number(value: float | None, digits: int = 3) -> str:
    """Three significant digits; a dash for what was not measured."""
    if value is None:
        return "-"
    if abs(value) >= 10**digits:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"
