"""One console for what is shown, and the plain form of values."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
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
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Sequence[int] = (),
    wrap: Sequence[int] = (),
) -> Table:
    """A table without lines between rows; `right` are the columns of numbers.

    Where the terminal is too narrow the columns in `wrap` go over several lines; the others are
    never cut while there is one.
    """
    drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for index, name in enumerate(columns):
        drawn.add_column(
            name,
            justify="right" if index in right else "left",
            no_wrap=index not in wrap,
            overflow="fold",
            min_width=None if index in wrap else max(len(row[index]) for row in [columns, *rows]),
        )
    for row in rows:
        drawn.add_row(*map(Text, row))  # as it is: what is in brackets is no markup
    return drawn


def differing(options: Sequence[Mapping[str, Any]]) -> list[str]:
    """For each of several engines its options that are not the same in all: `threads=1`."""
    names = sorted({name for one in options for name in one})
    varied = [name for name in names if len({str(one.get(name)) for one in options}) > 1]
    return [" ".join(f"{name}={one[name]}" for name in varied if name in one) for one in options]


def differing_in(engines: Sequence[str], options: Sequence[Mapping[str, Any]]) -> list[str]:
    """The same where `engines` names the engine of each: only what one engine has is compared."""
    told = {
        name: iter(differing([one for n, one in zip(engines, options, strict=True) if n == name]))
        for name in dict.fromkeys(engines)
    }
    return [next(told[name]) for name in engines]


def warn(text: str) -> None:
    """A note on standard error, in one line; nothing for an empty one."""
    if text:
        sys.stderr.write(f"note: {text}\n")


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
