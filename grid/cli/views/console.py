"""The console, tables and JSON that the views print."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
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


def differing_options(engines: Sequence[str], options: Sequence[Mapping[str, Any]]) -> list[str]:
    """For each row its options that differ between the rows of its engine: `threads=1`."""
    rows = list(zip(engines, options, strict=True))
    differing: dict[str, set[str]] = {}
    for engine in dict.fromkeys(engines):
        own = [row for name, row in rows if name == engine]
        names = {name for row in own for name in row}
        differing[engine] = {name for name in names if len({str(r.get(name)) for r in own}) > 1}
    return [
        " ".join(f"{name}={row[name]}" for name in sorted(row) if name in differing[engine])
        for engine, row in rows
    ]


def name_some(labels: Sequence[str], most: int) -> str:
    """The first `most` labels, and how many more there are."""
    rest_count = len(labels) - most
    return ", ".join(labels[:most]) + (f" and {rest_count} more" if rest_count > 0 else "")


def third_party_lines(rows: Iterable[tuple[str | None, str | None]]) -> list[str]:
    """A line for each origin among (origin, licence) of rows; none where all were measured here."""
    sources = {(origin, licence or "not stated") for origin, licence in rows if origin}
    return [f"third-party: {origin}, licence {licence}" for origin, licence in sorted(sources)]


def warn(text: str) -> None:
    """A note on standard error, in one line; nothing for an empty one."""
    if text:
        sys.stderr.write(f"note: {text}\n")


def print_json(value: Any) -> None:
    """A value as indented JSON on standard output."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2)
    sys.stdout.write(text.decode() + "\n")
