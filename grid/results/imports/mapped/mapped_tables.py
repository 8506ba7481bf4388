"""The tables of a file that have the columns of a map: markdown, else CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence, Set

from grid.errors import did_you_mean
from grid.results.imports.cleaning import clean, quote
from grid.results.imports.mapped.column_map import ColumnMap
from grid.results.imports.numerals import without_markup
from grid.results.imports.source import Source
from grid.results.imports.tables import ReportTable, TableRow

_DELIMITERS = (",", ";", "\t")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")


def plain_cell(cell: str) -> str:
    """A cell without links, tags and marks of bold, as one line."""
    return clean(without_markup(_TAG.sub("", _LINK.sub(r"\1", without_markup(cell)))))


def head_key(column: str) -> str:
    """A column's name as it is compared: without markup, case and doubled blanks."""
    return plain_cell(column.replace("\\|", "|")).casefold()


def mapped_tables(source: Source, columns: ColumnMap) -> list[ReportTable]:
    """The tables with all columns of the map. Raises InputError with the nearest column where there
    is none, or where a column of the map stands twice in one."""
    wanted = [head_key(column) for column in columns.heads]
    tables = [table for table in source.tables if _has(table.columns, wanted)]
    tables = tables or list(_csv_tables(source, wanted))
    if not tables:
        raise _no_table(source, columns)
    for table in tables:
        keys = [head_key(column) for column in table.columns]
        twice = next((column for column in columns.heads if keys.count(head_key(column)) > 1), None)
        if twice is not None:
            raise source.error(f"line {table.line} has the column {quote(twice)} twice")
    beside = len(source.tables) - len(tables)
    if tables[0] in source.tables and beside:
        source.skip(f"tables without the columns of the map: {beside}")
    return tables


def _has(columns: Sequence[str], wanted: Sequence[str]) -> bool:
    return set(wanted) <= {head_key(column) for column in columns}


def _no_table(source: Source, columns: ColumnMap) -> Exception:
    """The error of a file without such a table: the first column that the nearest table lacks."""
    heads: list[Sequence[str]] = [table.columns for table in source.tables]
    heads = heads or [_first_fields(source)]
    wanted = columns.heads
    nearest = max(heads, key=lambda head: sum(_has(head, [head_key(name)]) for name in wanted))
    absent = next((name for name in wanted if not _has(nearest, [head_key(name)])), "")
    if len(nearest) < 2:
        return source.error("no table in it: neither markdown nor CSV with the map's columns")
    names = [plain_cell(column) for column in nearest if plain_cell(column)]
    return source.error(f"no column {quote(absent)} in its table. {did_you_mean(absent, names)}")


def _first_fields(source: Source) -> Sequence[str]:
    lines = [line for line in source.lines if line.strip()][:50]
    return max((_fields(line, mark) or [] for line in lines for mark in _DELIMITERS), key=len)


def _csv_tables(source: Source, wanted: Sequence[str]) -> Iterator[ReportTable]:
    """The tables in CSV, one after the other; each ends where another head begins."""
    end = 0
    for at, line in enumerate(source.lines, 1):
        for mark in _DELIMITERS:
            fields = _fields(line, mark) if at > end and mark in line else None
            if fields and _has(fields, wanted):
                table, end = _csv_rows(source, at, fields, mark, wanted)
                yield table


def _csv_rows(
    source: Source, head: int, columns: list[str], mark: str, wanted: Sequence[str]
) -> tuple[ReportTable, int]:
    """The table below a head, and its last line."""
    table = ReportTable(head, tuple(columns))
    names = {head_key(column) for column in columns if column}
    for at, line in enumerate(source.lines[head:], head + 1):
        if not line.strip():
            continue
        fields = _fields(line, mark)
        if fields is None:
            source.refuse(f"line {at} is not whole CSV; was it cut short?")
        elif fields == columns:
            continue
        elif (other_head := _head_of(line, names)) is not None:
            if not _has(other_head, wanted):
                source.skip(f"line {at}: the table of another head is left out")
            return table, at - 1
        else:
            table.rows.append(TableRow(at, tuple(fields)))
    return table, len(source.lines)


def _head_of(line: str, names: Set[str]) -> list[str] | None:
    """The columns of a line that has two names of columns or more; None of any other."""
    for mark in _DELIMITERS:
        fields = _fields(line, mark) if mark in line else None
        if fields and len(names & {head_key(field) for field in fields}) > 1:
            return fields
    return None


def _fields(line: str, mark: str) -> list[str] | None:
    try:
        rows = list(csv.reader(io.StringIO(line), delimiter=mark, strict=True))
    except csv.Error:
        return None
    return [field.strip() for field in rows[0]] if rows else []
