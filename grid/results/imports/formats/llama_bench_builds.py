"""The build of each of llama-bench's tables. llama-bench prints the line below the table; notes put
it above at times. A line that may be of two tables is of none."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from grid.results.imports.source import Source
from grid.results.imports.tables import ReportTable, without_prefix

_BUILD = re.compile(r"\**build: (.+?)\**")
_OTHER_TOOL = re.compile(r"\d+ \([0-9a-f]+\) with ")
"""llama.cpp's other tools name their build, compiler and target at their start."""
_TEST = re.compile(r"\b(?:pp|tg)\s?\d+")


class BuildLine(NamedTuple):
    """A line `build: 1a2b3c4 (5678)`."""

    line: int
    build: str


class TableBuilds(NamedTuple):
    """The builds named above and below the rows of one table, and between them."""

    above: tuple[BuildLine, ...]
    below: tuple[BuildLine, ...]

    def build_of(self, line: int, is_above: bool) -> str:
        """The build of a row: the next below it, or that above its table."""
        if is_above:
            return self.above[0].build
        return next((build for at, build in self.below if at > line), "")


def builds_by_table(source: Source, tables: Sequence[ReportTable]) -> dict[int, dict[int, str]]:
    """The build of each row by its line, by the line of the head of its table; a row whose build
    nobody can tell has an empty one. Of tables of other tools lines are passed over."""
    between = {table.line: _around(source, table) for table in tables}
    is_above = _order(source, tables, between)
    builds: dict[int, dict[int, str]] = {}
    for table in tables:
        rows = [row.line for row in table.rows]
        named = between[table.line]
        builds[table.line] = {
            line: "" if is_above is None else named.build_of(line, is_above) for line in rows
        }
    return builds


def _around(source: Source, table: ReportTable) -> TableBuilds:
    lines, every = source.lines, source.tables
    at = next(at for at, any_table in enumerate(every) if any_table.line == table.line)
    before = every[at - 1].last_line if at else 0
    after = every[at + 1].line if at + 1 < len(every) else len(lines) + 1
    return TableBuilds(
        _build_lines(lines, before + 1, table.line), _build_lines(lines, table.line + 1, after)
    )


def _build_lines(lines: Sequence[str], first: int, last: int) -> tuple[BuildLine, ...]:
    named = []
    for at in range(first, last):
        match = _BUILD.fullmatch(without_prefix(lines[at - 1]).strip()) if lines[at - 1] else None
        if match and not _OTHER_TOOL.match(match[1]):
            named.append(BuildLine(at, match[1].strip()))
    return tuple(named)


def _order(
    source: Source, tables: Sequence[ReportTable], between: Mapping[int, TableBuilds]
) -> bool | None:
    """Whether builds stand above their tables (True) or below (False); None, which is said, where
    both are possible. They stand below unless there is one above the first table."""
    around = [between[table.line] for table in tables]
    if not around or not around[0].above:
        return False
    first = around[0].above[0].line
    if any(line > tables[-1].last_line for line, _ in around[-1].below):
        source.skip(
            f"line {first}: the build above the first table is left out; each table has that below"
        )
        return False
    above = all(len(named.above) == 1 for named in around)
    among_rows = any(
        line < table.last_line for table in tables for line, _ in between[table.line].below
    )
    if above and not among_rows and not _is_read_in_part(source, tables, around):
        return True
    source.skip(
        f"line {first}: builds are left out: their lines may be of the tables above or below them"
    )
    return None


def _is_read_in_part(
    source: Source, tables: Sequence[ReportTable], around: Sequence[TableBuilds]
) -> bool:
    """Whether there are rows whose table has lost its head, or a build below a table that cannot
    be read: then the build above a table may be that of rows before it."""
    inside = {line for table in source.tables for line in range(table.line, table.last_line + 1)}
    named = {line for builds in around for line, _ in (*builds.above, *builds.below)}
    return any(
        (line.count("|") > 3 and at not in inside and _TEST.search(line))
        or (at > tables[0].line and "build:" in line and at not in named)
        for at, line in enumerate(source.lines, 1)
        if not _OTHER_TOOL.search(line)
    )
