"""llama-batched-bench and ik_llama.cpp's llama-sweep-bench: rates of prompts and of generation.

Each row is one run. batched-bench prints one for each number of sequences, of which one is read
(the rates of more are of all together), sweep-bench one for each number of tokens held before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grid.cells.cell import Options
from grid.models.names import printed_name
from grid.results.imports import gguf_names as names
from grid.results.imports import metric
from grid.results.imports.cleaning import clean, quote
from grid.results.imports.formats.perplexity_runs import LogRun, runs_of
from grid.results.imports.numerals import parse_number, possible_numbers
from grid.results.imports.record import (
    FigureOrigin,
    ImportedWeights,
    Record,
    RecordPlace,
    speed_run,
)
from grid.results.imports.source import Source
from grid.results.imports.tables import ReportTable, without_prefix
from grid.units import count_of

_RATES = ("t_pp s", "s_pp t/s", "t_tg s", "s_tg t/s")
_BATCHED = ("pp", "tg", "b", "n_kv", *_RATES, "t s", "s t/s")
_SWEEP = ("pp", "tg", "n_kv", *_RATES)
_TABLE_NAMES = dict(zip((*_SWEEP, "b"), (
    *("pp", "tg", "n_kv"), *("t_pp", "speed_pp", "t_tg", "speed_tg"), "pl"
), strict=True))  # fmt: skip
"""Names of JSONL by a table's columns."""

_FIGURES = {"t_pp", "speed_pp", "t_tg", "speed_tg", "t", "speed", "pp", "tg", "pl", "n_kv"}
_SETTINGS = re.compile(r"n_kv_max = \d+, n_batch = ")
_SETTING = re.compile(r"(\w+) = (-?\d+)")
_AGREEMENT, _PRINTED_S, _PRINTED_RATE = 0.01, 6e-4, 6e-3
"""How far tokens over time may be from the rate: relative, and by rounding to three and two
decimals of s and token/s."""

_FILE = re.compile(r"(?:^|\s)(?:-m|--model)[ =](\"[^\"]+\"|'[^']+'|\S+)")


@dataclass
class _BenchRun:
    """What the lines before a table say of its run."""

    log: LogRun = field(default_factory=lambda: LogRun(1))
    file: str = ""
    heading_quant: str = ""
    options: dict[str, str | int | float | bool] = field(default_factory=dict)


class _RateTableReader:
    """What the two tools have in common: a table, or one JSON object a line."""

    selectable = True

    def __init__(
        self, origin: FigureOrigin, backend: str, columns: Sequence[str], description: str
    ) -> None:
        self.name = self.tool = origin.name
        self.origin, self.description = origin, description
        self._backend, self._columns = backend, tuple(columns)

    def recognizes(self, source: Source) -> bool:
        return bool(self._tables(source)) or any(self._is_row(p.value) for p in source.json_parts)

    def records(self, source: Source) -> Iterator[Record]:
        left_out = 0
        for row, line, run in (*self._table_rows(source), *self._json_rows(source)):
            with source.refusing():
                if _count(source, row, "pl", line, 1) == 1:
                    yield from self._row_records(source, row, line, run)
                else:
                    left_out += 1
        if left_out:
            rows = count_of(left_out, "row")
            source.skip(
                f"{rows} of several sequences at once left out: rates there are of all together"
            )

    def _table_rows(self, source: Source) -> Iterator[tuple[Mapping[str, Any], int, _BenchRun]]:
        for table in self._tables(source):
            run = _run_before(source, table)
            for uneven in table.uneven():
                count = len(uneven.cells)
                source.refuse(f"line {uneven.line} has {count} cells, not {len(table.columns)}")
            for line, cells in table.records():
                named = ((_TABLE_NAMES.get(name), cell) for name, cell in cells.items())
                yield {name: cell for name, cell in named if name}, line, run

    def _json_rows(self, source: Source) -> Iterator[tuple[Mapping[str, Any], int, _BenchRun]]:
        for part in source.json_parts:
            if self._is_row(part.value):
                run = _BenchRun()
                for name, setting in part.value.items():
                    if name not in _FIGURES and isinstance(setting, int | str):
                        run.options[name] = setting
                yield part.value, part.line, run

    def _tables(self, source: Source) -> list[ReportTable]:
        wanted = self._columns
        return [t for t in source.tables if tuple(c.lower() for c in t.columns) == wanted]

    def _is_row(self, value: Any) -> bool:
        wanted = {_TABLE_NAMES[name] for name in self._columns if name in _TABLE_NAMES}
        return (
            isinstance(value, dict)
            and wanted <= value.keys()
            and (("pl" in value) == ("b" in self._columns))
        )

    def _row_records(
        self, source: Source, row: Mapping[str, Any], line: int, run: _BenchRun
    ) -> Iterator[Record]:
        prompt, generated = (_count(source, row, name, line) for name in ("pp", "tg"))
        held = _count(source, row, "n_kv", line)
        batched = "b" in self._columns
        for kind, tokens, depth, name in (
            ("prefill", prompt, 0 if batched else held, "speed_pp"),
            ("decode", generated, prompt if batched else held, "speed_tg"),
        ):
            if tokens:
                rate = _rate(source, row, name, tokens, line)
                yield self._record(source, speed_run(kind, tokens, depth), kind, rate, line, run)

    def _record(
        self,
        source: Source,
        workload: dict[str, Any],
        kind: str,
        rate: float,
        line: int,
        run: _BenchRun,
    ) -> Record:
        device = run.log.devices.kind or "unknown"
        tokens = workload["workload"]["tokens"]
        return Record(
            origin=self.origin,
            weights=_weights(source, run),
            **workload,
            backend=self._backend,
            engine_version=run.log.facts.get("build", ""),
            options=_cell_options(run.options),
            hardware=source.hardware_named(run.log.devices.of(device), device),
            device_kind=device,
            figures=metric.speed(kind, tokens, rate, None, None, self.origin.name),
            place=RecordPlace(source.name, line),
        )


def _run_before(source: Source, table: ReportTable) -> _BenchRun:
    """What stands between the table before, of whatever kind, and this one."""
    first = max((t.last_line for t in source.tables if t.line < table.line), default=0)
    lines = source.lines[first : table.line - 1]
    run = _BenchRun(log=list(runs_of(lines))[-1])
    for line in lines:
        plain = without_prefix(line)
        if _SETTINGS.search(plain):
            run.options = {name: int(value) for name, value in _SETTING.findall(plain)}
        if match := _FILE.search(plain):
            run.file = match[1].strip("\"'")
        if plain.startswith("#"):
            run.heading_quant = _quant_of_heading(plain)
    return run


def _quant_of_heading(line: str) -> str:
    """The one quant that a heading names, as in `### IQ2_XXS, main branch`; empty for none."""
    quants = {names.quant_in(f"-{word}") for word in re.split(r"[\s,:()#`*]+", line)} - {None}
    return str(quants.pop()) if len(quants) == 1 else ""


def _cell_options(options: Mapping[str, str | int | float | bool]) -> Options:
    """All settings but the room that the run made for its largest row."""
    return {name: value for name, value in options.items() if name != "n_kv_max"}


def _weights(source: Source, run: _BenchRun) -> ImportedWeights:
    facts = run.log.facts
    file, printed = facts.get("file", "") or run.file, facts.get("type", "")
    quant = names.quant_of(printed) if printed else names.quant_in(file) or run.heading_quant
    if not quant:
        source.skip("the quantization is not named in words that are known")
    name = source.model_named(printed_name(file, facts.get("header_name", "")))
    if not name:
        source.skip("the model is not named; give it with --model")
        name = f"unnamed ({source.name})"
    size = names.bytes_of(facts.get("size", ""))
    elements = names.parameters_of(facts.get("params", ""))
    return ImportedWeights(
        model=clean(name),
        family=clean(facts.get("family", "")),
        quant=quant or clean(printed) or "unknown",
        format="gguf",
        parameters=elements,
        bytes=size,
        bpw=names.bits_per_weight(size, elements),
    )


def _count(
    source: Source, row: Mapping[str, Any], name: str, line: int, default: int | None = None
) -> int:
    number = _number(row.get(name, default))
    if number is None or number != int(number) or not 0 <= number < 2**31:
        raise source.error(f"line {line}: {name} is {quote(row.get(name))}, not a count")
    return int(number)


def _rate(source: Source, row: Mapping[str, Any], name: str, tokens: int, line: int) -> float:
    """The rate of a column, which must be the tokens over the seconds that stand beside it."""
    rate = _number(row.get(name))
    if rate is None or rate <= 0:
        raise source.error(f"line {line}: {name} is {quote(row.get(name))}, not a rate")
    time_name = name.replace("speed", "t")
    printed = row.get(time_name)
    readings = possible_numbers(str(printed)) if not isinstance(printed, bool) else []
    if not readings:
        raise source.error(f"line {line}: {time_name} is {quote(printed)}, not seconds")
    if not any(_agree(rate, seconds, tokens) for seconds in readings):
        raise source.error(
            f"line {line}: {tokens} tokens in {clean(str(printed))} s are not {rate:g} token/s: "
            "one of them is wrong"
        )
    return rate


def _agree(rate: float, seconds: float, tokens: int) -> bool:
    slack = rate * (_AGREEMENT * seconds + _PRINTED_S) + _PRINTED_RATE * seconds
    return seconds >= 0 and abs(rate * seconds - tokens) <= slack


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    return parse_number(value if isinstance(value, str) else str(value))


READERS = (
    _RateTableReader(
        FigureOrigin("llama-batched-bench"),
        "llama.cpp",
        _BATCHED,
        "table or JSONL of llama-batched-bench, rows of one sequence",
    ),
    _RateTableReader(
        FigureOrigin("llama-sweep-bench"),
        "ik_llama.cpp",
        _SWEEP,
        "table or JSONL of ik_llama.cpp's llama-sweep-bench, rates by depth",
    ),
)
