"""llama-bench's tables in markdown, as people post them: several in a note, among a log's lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from grid.cells.cell import Options
from grid.cells.measurement import Metric
from grid.results.imports import gguf_names as names
from grid.results.imports import metric
from grid.results.imports.cleaning import quote
from grid.results.imports.device_lines import DeviceNames, devices_between
from grid.results.imports.formats.llama_bench import ORIGIN, printed_weights
from grid.results.imports.formats.llama_bench_builds import builds_by_table
from grid.results.imports.formats.llama_bench_options import (
    TABLE_FACTS,
    column_options,
    option_name,
)
from grid.results.imports.formats.llama_bench_place import device_of, used_cards
from grid.results.imports.numerals import NumberWithError, figure_in, without_markup
from grid.results.imports.record import Record, RecordPlace, speed_run
from grid.results.imports.source import Source
from grid.results.imports.tables import ReportTable, repeated_column
from grid.results.imports.unread import is_benchy_table

_TEST = re.compile(r"(pp|tg) ?(\d{1,9})(?: ?@ ?d(\d{1,9}))?")
_OWN = {"size", "params", "backend"}
_HARDWARE = ("gpu", "cpu", "device", "hardware", "machine")
"""Columns that people add to name the machine."""

_WRONG_HARDWARE = {"cpu": ("gpu", "device")}
"""Those of them that do not name what computed, by its kind; `cpu` does not name a card."""


class BenchTableReader:
    """A table with the columns model, size, params, backend, test and t/s, and any between."""

    name = "llama-bench-md"
    description = "llama-bench -o md, as posted in discussions"
    origin = ORIGIN
    selectable = True

    def recognizes(self, source: Source) -> bool:
        return any(is_bench_table(table) for table in source.tables)

    def records(self, source: Source) -> Iterator[Record]:
        tables = source.tables
        if not self.recognizes(source):
            raise source.error("no table with the columns model, size, backend, test and t/s")
        builds = builds_by_table(source, [table for table in tables if is_bench_table(table)])
        for at, table in enumerate(tables):
            if not is_bench_table(table):
                columns = ", ".join(table.columns)
                source.skip(f"line {table.line}: the table of {quote(columns)} is left out")
                continue
            before = tables[at - 1].last_line if at else 0
            devices = devices_between(source.lines, before + 1, table.line)
            yield from _rows(source, table, _RunFacts(devices, builds[table.line]))


class _RunFacts(NamedTuple):
    """What the lines around one table say of its run: `builds` by the line of the row."""

    devices: DeviceNames
    builds: Mapping[int, str]


def is_bench_table(table: ReportTable) -> bool:
    """Whether the columns are those of llama-bench: other tools have model, test and t/s too."""
    columns = {without_markup(column).lower() for column in table.columns}
    return (
        {"model", "test", "t/s"} <= columns
        and bool(_OWN & columns)
        and not is_benchy_table(table.columns)
    )


def _rows(source: Source, table: ReportTable, run: _RunFacts) -> Iterator[Record]:
    twice = repeated_column(table.columns, option_name)
    if twice:
        source.refuse(f"line {table.line}: the table has the column {quote(twice)} twice")
        return
    for row in table.uneven():
        source.refuse(
            f"line {row.line} has {len(row.cells)} cells under a head of {len(table.columns)}"
        )
    for line, cells in table.records():
        with source.refusing():
            columns = {without_markup(name): without_markup(cell) for name, cell in cells.items()}
            record = _record(source, columns, line, run)
            if record is not None:
                yield record


def _record(source: Source, row: Mapping[str, str], at: int, run: _RunFacts) -> Record | None:
    test = _TEST.fullmatch(row["test"])
    if test is None:
        source.skip(f"line {at}: the test {quote(row['test'])} is left out: neither pp nor tg")
        return None
    rate = figure_in(row["t/s"])
    if rate is None or rate.value <= 0:
        raise source.error(f"line {at}: t/s is {quote(row['t/s'])}, not a rate such as 12 ± 1")
    kind = "prefill" if test[1] == "pp" else "decode"
    tokens, depth = int(test[2]), int(test[3] or 0)
    options = _options(source, row, at)
    device = device_of(row.get("backend", "cpu"), options)
    size = names.bytes_of(row.get("size", ""))
    elements = names.parameters_of(row.get("params", ""))
    cards = used_cards(run.devices.cards(device), options)
    return Record(
        origin=ORIGIN,
        weights=printed_weights(source, row["model"], "", size, elements),
        **speed_run(kind, tokens, depth),
        backend="llama.cpp",
        engine_version=run.builds.get(at, ""),
        options=options,
        hardware=source.hardware_named(_hardware(row, device) or cards, device),
        device_kind=device,
        figures=_figures(kind, tokens, rate),
        environment={"model_type": row["model"], "sizes": "rounded, as printed"},
        place=RecordPlace(source.name, at),
    )


def _hardware(row: Mapping[str, str], device: str) -> str:
    """The machine as a column of people's own names it."""
    wrong = _WRONG_HARDWARE.get(device, ("cpu",))
    return next((row[name] for name in _HARDWARE if name not in wrong and row.get(name)), "")


def _figures(kind: str, tokens: int, rate: NumberWithError) -> tuple[Metric, ...]:
    return metric.speed(kind, tokens, rate.value, rate.error, None, ORIGIN.name)


def _options(source: Source, row: Mapping[str, str], at: int) -> Options:
    """The columns that are no facts; one with a spread is a figure of its own, and left out."""
    figures = [
        name
        for name, cell in row.items()
        if name not in TABLE_FACTS and (number := figure_in(cell)) and number.error is not None
    ]
    for name in figures:
        source.skip(f"line {at}: the column {quote(name)} is left out: a figure that is not known")
    return column_options(row, {*TABLE_FACTS, *_HARDWARE, *figures})


READERS = (BenchTableReader(),)
