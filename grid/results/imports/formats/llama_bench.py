"""llama-bench: its json, jsonl and csv outputs, with the fields of old and new builds."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

from grid.cells.cell import Options
from grid.cells.measurement import Series
from grid.errors import InputError
from grid.models.named_sizes import size_in
from grid.models.names import printed_name
from grid.results.imports import gguf_names as names
from grid.results.imports import metric
from grid.results.imports.cleaning import quote
from grid.results.imports.formats.llama_bench_options import field_options, option_name
from grid.results.imports.formats.llama_bench_place import card_backends, device_of, used_cards
from grid.results.imports.record import (
    FigureOrigin,
    ImportedWeights,
    Record,
    RecordPlace,
    speed_run,
)
from grid.results.imports.source import Source
from grid.results.imports.tables import repeated_column
from grid.results.imports.values import (
    JsonObject,
    count,
    epoch_seconds,
    number,
    parse_json,
    text,
    texts,
)

ORIGIN = FigureOrigin("llama-bench")

_DEVICES = ("cuda", "rocm", "hip", "metal", "vulkan", "sycl", "kompute", "opencl", "gpu_blas")
"""Fields of old builds, one a backend; `backends` replaced them."""

_ENVIRONMENT = ("cpu_info", "gpu_info", "backends", "model_filename", "model_type")
_DELIMITERS = ",;\t"


def _is_row(value: Any) -> bool:
    """Whether a parsed JSON value is a row of llama-bench."""
    return isinstance(value, dict) and "model_type" in value and "n_gen" in value


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and any(map(_is_row, value[:1]))


class BenchJsonReader:
    """Lists of rows, as `-o json` writes them, with or without lines of a log around."""

    name = "llama-bench-json"
    description = "llama-bench -o json"
    origin = ORIGIN
    selectable = True

    def recognizes(self, source: Source) -> bool:
        return any(_is_list(part.value) for part in source.json_parts)

    def records(self, source: Source) -> Iterator[Record]:
        parts = [part.value for part in source.json_parts if _is_list(part.value)]
        if not parts:
            value = parse_json(source, source.text)
            parts = [value if isinstance(value, list) else [value]]
        rows = [row for part in parts for row in part]
        yield from _read_rows(source, enumerate(rows, 1), "entry")


class BenchJsonlReader:
    """A row a line, as `-o jsonl` writes them, with or without lines of a log around."""

    name = "llama-bench-jsonl"
    description = "llama-bench -o jsonl"
    origin = ORIGIN
    selectable = True

    def recognizes(self, source: Source) -> bool:
        return any(_is_row(part.value) for part in source.json_parts)

    def records(self, source: Source) -> Iterator[Record]:
        rows = {part.line: part.value for part in source.json_parts if _is_row(part.value)}
        yield from _read_rows(source, rows.items(), "line")


class BenchCsvReader:
    """Rows under a header, as `-o csv` writes them and spreadsheets save them."""

    name = "llama-bench-csv"
    description = "llama-bench -o csv"
    origin = ORIGIN
    selectable = True

    def recognizes(self, source: Source) -> bool:
        return _head(source) is not None

    def records(self, source: Source) -> Iterator[Record]:
        head = _head(source)
        if head is None:
            raise source.error("no header of llama-bench's csv (build_commit, avg_ts)")
        yield from _read_rows(source, _csv_rows(source, *head), "line")


def _head(source: Source) -> tuple[int, str] | None:
    """(line, delimiter) of the header, which may stand after lines of a log."""
    for at, line in enumerate(source.lines, 1):
        if "build_commit" in line and "avg_ts" in line and not line.lstrip().startswith(("{", "[")):
            return at, max(_DELIMITERS, key=line.count)
    return None


def _csv_rows(source: Source, head: int, delimiter: str) -> Iterator[tuple[int, JsonObject]]:
    """Rows by line, until the lines of a log begin again."""
    columns = _fields(source, head, delimiter)
    twice = repeated_column(columns, option_name)
    if twice:
        raise source.error(f"line {head}: the header has the column {quote(twice)} twice")
    for at in range(head + 1, len(source.lines) + 1):
        line = source.lines[at - 1].strip()
        if not line:
            continue
        try:
            fields = _fields(source, at, delimiter)
        except InputError as error:
            source.refused.append(str(error))
            continue
        if fields == columns:
            continue
        if len(fields) == len(columns):
            yield at, dict(zip(columns, fields, strict=True))
        elif line.startswith('"') or line.count(delimiter) > len(columns) // 4:
            source.refuse(f"line {at} has not as many fields as the header; cut short?")


def _fields(source: Source, at: int, delimiter: str) -> list[str]:
    try:
        line = io.StringIO(source.lines[at - 1].strip())
        rows = list(csv.reader(line, delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise source.error(f"line {at} is not whole CSV ({error}); was it cut short?") from error
    return [field.strip() for field in rows[0]]


def _read_rows(source: Source, rows: Iterable[tuple[int, Any]], what: str) -> Iterator[Record]:
    for at, row in rows:
        place = RecordPlace(source.name, at, unit=what)
        where = f"{what} {at}"
        if not _is_row(row):
            source.refuse(f"{where} is no row of llama-bench (model_type, n_prompt, n_gen)")
            continue
        with source.refusing():
            record = _record(source, row, where, place)
            if record is not None:
                yield record


def _record(source: Source, row: JsonObject, where: str, place: RecordPlace) -> Record | None:
    prompt = count(source, row, "n_prompt", where) or 0
    generated = count(source, row, "n_gen", where) or 0
    depth = count(source, row, "n_depth", where) or 0
    if bool(prompt) == bool(generated):
        test = f"pp{prompt}+tg{generated}"
        source.skip(f"{where}: {test} is left out: prompt and generation in one figure")
        return None
    kind, tokens = ("prefill", prompt) if prompt else ("decode", generated)
    rate = number(source, row, "avg_ts", where)
    if not rate:
        raise source.error(f"{where}: no rate (avg_ts); give llama-bench's whole output")
    series = _series(source, row, kind, where)
    sd = number(source, row, "stddev_ts", where)
    options = field_options(row)
    device, hardware = _place(source, row, options)
    commit, build = text(row, "build_commit"), text(row, "build_number")
    return Record(
        origin=ORIGIN,
        weights=_weights(source, row, where),
        **speed_run(kind, tokens, depth, len(series.values) if series else None),
        backend="llama.cpp",
        engine_version=" ".join(filter(None, [f"b{build}" if build else "", commit])),
        options=options,
        hardware=hardware,
        device_kind=device,
        figures=metric.speed(kind, tokens, rate, sd, series, ORIGIN.name),
        samples=(series,) if series else (),
        started_at=epoch_seconds(row.get("test_time")),
        environment=texts(row, _ENVIRONMENT),
        place=place,
    )


def _series(source: Source, row: JsonObject, kind: str, where: str) -> Series | None:
    """Seconds of each repetition; old builds and csv do not give them."""
    repetitions = row.get("samples_ns")
    if not isinstance(repetitions, list) or not repetitions:
        return None
    values = [
        number(source, {"samples_ns": nanoseconds}, "samples_ns", where)
        for nanoseconds in repetitions
    ]
    if not all(values):
        raise source.error(f"{where}: samples_ns has a repetition without a duration")
    return Series(f"{kind}_s", "s", tuple(value / 1e9 for value in values if value))


def _weights(source: Source, row: JsonObject, where: str) -> ImportedWeights:
    printed, file = text(row, "model_type"), text(row, "model_filename")
    size = count(source, row, "model_size", where) or None
    elements = count(source, row, "model_n_params", where) or None
    return printed_weights(source, printed, file, size, elements)


def printed_weights(
    source: Source, printed: str, file: str, size: int | None, elements: int | None
) -> ImportedWeights:
    """Weights of a model as llama.cpp prints it, such as `llama 7B Q4_0`; bits per weight from size
    and elements. An unknown quant keeps the printed name, with a note."""
    family, scale, quant = names.type_of(printed)
    if quant is None:
        source.skip(f"quantization of {quote(printed)} is not known; it is kept as printed")
        quant = printed.removeprefix(f"{family} {scale}").strip() or "unknown"
    return ImportedWeights(
        model=_model(source, printed_name(file) or "", f"{family} {scale}".strip(), elements),
        family=family,
        quant=quant,
        format="gguf",
        parameters=elements,
        bytes=size,
        bpw=names.bits_per_weight(size, elements),
    )


def _model(source: Source, named: str, type_name: str, elements: int | None) -> str:
    """The model's name; its type, `llama 8B`, where nobody names it. Raises InputError where the
    user's name says another size than the weights have."""
    name = source.model_named(named)
    stated = size_in(name) if source.model and not named and not source.override else None
    if stated and elements and not 1 / 2 < elements / stated < 2:
        raise source.error(
            f"the file's model has {elements / 1e9:.3g}e9 parameters, --model says {quote(name)}; "
            "--override lets the option count"
        )
    return name or type_name or "unnamed"


def _place(source: Source, row: JsonObject, options: Options) -> tuple[str, str]:
    """(device kind, hardware): what computed, and its name."""
    old = (name for name in _DEVICES if text(row, name) in ("True", "1", "true"))
    backends = text(row, "backends") or next(old, "cpu")
    cards = text(row, "gpu_info")
    device = device_of(backends, options) if cards else "cpu"
    if device == "cpu":
        return device, source.hardware_named(text(row, "cpu_info"), device)
    kinds = len(card_backends(backends))
    names = used_cards(dict(enumerate(cards.split(", "))), options, kinds)
    return device, source.hardware_named(names, device)


READERS = (BenchJsonReader(), BenchJsonlReader(), BenchCsvReader())
