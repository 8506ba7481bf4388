"""One row of a mapped table, cell by cell: texts, counts, sizes and figures with their units."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from grid.results.imports.cleaning import quote
from grid.results.imports.mapped.column_map import ColumnMap, MappedColumn, missing_unit
from grid.results.imports.mapped.mapped_tables import head_key, plain_cell
from grid.results.imports.mapped.targets import COUNTS, SIZES, needs_unit, unit_of
from grid.results.imports.numerals import NumberWithError, figure_in, parse_number
from grid.results.imports.source import Source
from grid.results.imports.units import factor

_DASHES = ("-", "--", "---", "\u2013", "\u2014")
_ABSENT = frozenset(("", *_DASHES, "n/a", "na", "none", "null", "?", "oom"))
_WITH_UNIT = re.compile(r"(.*[\d.])\s*([%A-Za-zµ][%A-Za-zµ/]*)")
_LIMITS = {"bpw": (0.1, 64.0), "artifact_bytes": (1.0, 2.0**53), "parameters": (1e3, 2.0**53)}


class CellFigure(NamedTuple):
    """A number with its spread and the unit that the source states."""

    value: float
    error: float | None
    unit: str


class MappedRow:
    """A row's cells by column. All methods raise InputError, with the line, for what is no such
    value."""

    def __init__(
        self, source: Source, line: int, cells: Mapping[str, str], columns: ColumnMap
    ) -> None:
        self.line = line
        self._source, self._columns = source, columns
        self._cells = {head_key(column): plain_cell(cell) for column, cell in cells.items()}

    def cell(self, entry: MappedColumn) -> str:
        """The text of a cell, empty where it says that there is nothing."""
        text = self._cells[head_key(entry.column)]
        return "" if text.casefold() in _ABSENT or text in self._columns.absent else text

    def text(self, target: str) -> str:
        """The text of the fact; empty where it is not mapped or absent."""
        return next((self.cell(e) for e in self._columns.columns if e.target == target), "")

    def counts(self) -> dict[str, int]:
        """Tokens, depth and the like that columns of their own state."""
        counts = {}
        for entry in self._columns.columns:
            if entry.target in COUNTS and (text := self.cell(entry)):
                number = parse_number(text)
                if number is None or not 0 <= number < 2**31 or number != int(number):
                    raise self.error(entry, "not a count")
                counts[entry.target] = int(number)
        return counts

    def sizes(self) -> dict[str, float]:
        """Bytes, parameters and bits per weight, as far as they are there."""
        sizes = {}
        for entry in self._columns.columns:
            if entry.target in SIZES and (figure := self.figure(entry)):
                ours = unit_of(entry.target)
                value = figure.value * ((factor(figure.unit, ours) or 1.0) if ours else 1.0)
                low, high = _LIMITS[entry.target]
                if not low <= value <= high:
                    raise self.error(entry, f"which is no {entry.target}")
                sizes[entry.target] = value
        return sizes

    def figure(self, entry: MappedColumn) -> CellFigure | None:
        """The number of a cell with its unit; None where there is none."""
        text = self.cell(entry)
        if not text:
            return None
        number, unit = _number_and_unit(text)
        if number is None:
            raise self.error(entry, "not a number")
        ours = unit_of(entry.target)
        if unit and (not ours or factor(unit, ours) is None):
            raise self.error(entry, f"not in a unit of {entry.target}")
        if unit and entry.unit is not None and factor(unit, ours) != factor(entry.unit, ours):
            raise self.error(entry, f"but the column is in {entry.unit!r}")
        if not unit and entry.unit is None and needs_unit(entry.target):
            raise self._source.error(f"line {self.line}: {missing_unit(entry)}")
        return CellFigure(number.value, number.error, unit or entry.unit or ours)

    def options(self) -> dict[str, str]:
        """Columns that are part of the cell, under their own names."""
        return {
            head_key(entry.column): text
            for entry in self._columns.columns
            if entry.target == "option" and (text := self.cell(entry))
        }

    def error(self, entry: MappedColumn, why: str) -> Exception:
        """The error of one cell."""
        cell = self._cells[head_key(entry.column)]
        return self._source.error(f"line {self.line}: {entry.column} is {quote(cell)}, {why}")


def _number_and_unit(text: str) -> tuple[NumberWithError | None, str]:
    number = figure_in(text)
    if number is not None:
        return number, ""
    match = _WITH_UNIT.fullmatch(text)
    return (figure_in(match[1]), match[2]) if match else (None, "")
