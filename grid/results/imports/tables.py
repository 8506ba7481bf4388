"""Tables of text: markdown as people post it, with the prefixes that loggers put before lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

_PREFIX = re.compile(
    r"(?:\s*(?:"
    r">"  # a quotation
    r"|\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\]?"
    r"|\[?\d\d:\d\d:\d\d(?:[.,]\d+)?\]?"
    r"|\d+(?:\.\d+){3}"  # llama.cpp's own: minutes, seconds, milliseconds, microseconds
    r"|\[?(?:DEBUG|INFO|WARN(?:ING)?|ERROR|[DIWE])\]?:?(?=\s)"
    r"|[\w./-]+:\d+:"  # file and line
    r"|[A-Za-z][\w.-]*\s+\|(?=\s*(?:\||build:|$))"  # a service of docker compose
    r"))*\s*"
)
_RULE = re.compile(r"\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*")


class TableRow(NamedTuple):
    """The cells of one line, which is counted from 1 on."""

    line: int
    cells: tuple[str, ...]


@dataclass
class ReportTable:
    """A table: the `line` and `columns` of its head, and its rows, which may have another number
    of cells."""

    line: int
    columns: tuple[str, ...]
    rows: list[TableRow] = field(default_factory=list)

    @property
    def last_line(self) -> int:
        return self.rows[-1].line if self.rows else self.line

    def records(self) -> Iterator[tuple[int, dict[str, str]]]:
        """(line, cell by column) of the rows that have as many cells as the head."""
        names = [column.lower() for column in self.columns]
        for row in self.rows:
            if len(row.cells) == len(names):
                yield row.line, dict(zip(names, row.cells, strict=True))

    def uneven(self) -> list[TableRow]:
        """Rows with another number of cells than the head."""
        return [row for row in self.rows if len(row.cells) != len(self.columns)]


def repeated_column(columns: Iterable[str], key: Callable[[str], str]) -> str:
    """The first column whose key stands twice among the columns; empty where none does, or where a
    column has no name."""
    names: set[str] = set()
    for column in columns:
        name = key(column)
        if name and name in names:
            return column
        names.add(name)
    return ""


def without_prefix(line: str) -> str:
    """A line without time, level and source that loggers and CI put before it, or a `>`."""
    match = _PREFIX.match(line)
    return line[match.end() :] if match else line


def markdown_tables(lines: Sequence[str]) -> Iterator[ReportTable]:
    """The tables in lines; a table goes on over lines that are none of a table (a log's), and ends
    where another head begins: the line above a rule `|---|---|`, or the same head once more."""
    table: ReportTable | None = None
    for at, line in enumerate(lines, 1):
        if "|" not in line:
            continue
        cells = table_cells(line)
        if not cells or is_rule(line):
            continue
        is_head = at < len(lines) and is_rule(lines[at]) and len(table_cells(lines[at])) > 0
        if is_head or (table is not None and cells == table.columns):
            if table is not None:
                yield table
            table = ReportTable(at, cells)
        elif table is not None:
            table.rows.append(TableRow(at, cells))
    if table is not None:
        yield table


def is_rule(line: str) -> bool:
    """Whether a line is the rule under a table's head."""
    plain = without_prefix(line).strip()
    return "-" in plain and "|" in plain and _RULE.fullmatch(plain) is not None


def table_cells(line: str) -> tuple[str, ...]:
    """The cells of a table's line; none for any other."""
    plain = without_prefix(line).strip()
    if not plain.startswith("|"):
        return ()
    inner = plain[1:-1] if plain.endswith("|") and len(plain) > 1 else plain[1:]
    return tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", inner))
