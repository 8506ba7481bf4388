"""The wide table, filtered, as csv, json, md or parquet."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from grid.errors import InputError, did_you_mean
from grid.models.display_names import visible_json
from grid.results import query
from grid.results.location import one_line, write_whole
from grid.results.schema import ATTEMPTS
from grid.results.visible_rows import with_visible_text

if TYPE_CHECKING:
    from grid.results.reader import Results

LEADING = ("model", "quant", "backend", "label", "scope", "status")
"""Attempt columns that a table shows before the metrics, unless columns are named."""

FORMULA = r"^([=+@-])"
"""What a spreadsheet would compute."""
_MARKUP = re.compile(r"[\\|<&\[`*]")

_ORDER = ("model", "artifact_bytes", "quant", "label", "cell_id")


def table(
    results: Results,
    where: str | None = None,
    columns: Sequence[str] | None = None,
    sort: str | None = None,
    limit: int | None = None,
) -> pa.Table:
    """The table of `grid results`: each final attempt with its metrics.

    `where` is an SQL expression over the wide table (`quant = 'Q4_K_M' AND decode_tps > 20`),
    `sort` a column or `-column`. Without `columns`, metrics that no row shown has are left out.
    Raises InputError in one line for an unknown column or an expression that is none.
    """
    rows = query.select_rows(results.wide(), where, (sort, *_ORDER) if sort else _ORDER, limit)
    return _select_columns(rows, columns) if columns else rows.select(_default_columns(rows))


def export(
    results: Results,
    target: Path | None,
    format: str = "csv",
    where: str | None = None,
    columns: Sequence[str] | None = None,
) -> int:
    """Write the wide table to `target` (None: standard output); returns the number of rows.

    Formats: csv, json (a list of objects), parquet with all columns; md with those of `table`.
    Values that are absent are empty (csv, md) or null. A file is written whole or not at all.
    Text acts on nothing that shows it: no terminal sequence is left in it, no markup in md, and in
    csv an apostrophe goes before what a spreadsheet would take for a formula. Raises InputError.
    """
    if format not in FORMATS:
        raise InputError(f"no export format {format!r}. {did_you_mean(format, FORMATS)}")
    if format == "md":
        rows = table(results, where, columns)
    else:
        rows = query.select_rows(results.wide(), where, _ORDER)
        rows = _select_columns(rows, columns) if columns else rows
    _write(target, FORMATS[format](rows), binary=format == "parquet")
    return rows.num_rows


def markdown(rows: pa.Table) -> str:
    """A Markdown table; numbers to four significant digits, absent values empty."""
    lines = [_line(rows.column_names), _line(["---"] * rows.num_columns)]
    lines += [_line([_cell(value) for value in row.values()]) for row in _flatten(rows).to_pylist()]
    return "\n".join(lines) + "\n"


def _csv(rows: pa.Table) -> bytes:
    from pyarrow import csv

    sink = pa.BufferOutputStream()
    csv.write_csv(_without_formulas(_flatten(rows)), sink)
    return bytes(sink.getvalue())


def _without_formulas(rows: pa.Table) -> pa.Table:
    """The table with an apostrophe before text that a spreadsheet would compute."""
    for at, field in enumerate(rows.schema):
        if pa.types.is_string(field.type):
            texts = pc.replace_substring_regex(rows[field.name], FORMULA, r"'\1")
            rows = rows.set_column(at, field.name, texts)
    return rows.rename_columns([re.sub(FORMULA, r"'\1", name) for name in rows.column_names])


def _json(rows: pa.Table) -> bytes:
    objects = _times_as_text(rows).to_pylist(maps_as_pydicts="lossy")
    lines = (visible_json(msgspec.json.encode(row).decode()).encode() for row in objects)
    return b"[\n" + b",\n".join(lines) + b"\n]\n"


def _markdown(rows: pa.Table) -> bytes:
    return markdown(rows).encode()


def _parquet(rows: pa.Table) -> bytes:
    from pyarrow import parquet

    sink = pa.BufferOutputStream()
    parquet.write_table(rows, sink, compression="zstd")
    return bytes(sink.getvalue())


FORMATS: dict[str, Callable[[pa.Table], bytes]] = {
    "csv": _csv,
    "json": _json,
    "md": _markdown,
    "parquet": _parquet,
}


def _write(target: Path | None, content: bytes, binary: bool) -> None:
    if target is None:
        if binary and sys.stdout.isatty():
            raise InputError("parquet is not for a terminal; name a file to write to")
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
        return
    try:
        write_whole(target, content)
    except OSError as error:
        raise InputError(f"cannot write {target}: {one_line(error)}") from error


def _select_columns(rows: pa.Table, columns: Sequence[str]) -> pa.Table:
    for name in columns:
        query.require_column(name, rows.column_names)
    return rows.select(list(dict.fromkeys(columns)))


def _default_columns(rows: pa.Table) -> list[str]:
    leading = [name for name in LEADING if name in rows.column_names]
    metrics = [
        name
        for name in rows.column_names
        if name not in ATTEMPTS.names
        and not name.endswith(("_low", "_high"))
        and rows[name].null_count < rows.num_rows
    ]
    return leading + metrics


def _flatten(rows: pa.Table) -> pa.Table:
    """The table with maps as JSON text and times as ISO 8601 text."""
    for at, field in enumerate(rows.schema):
        if pa.types.is_map(field.type):
            maps = rows.select([at]).to_pylist(maps_as_pydicts="lossy")
            texts = [msgspec.json.encode(row[field.name]).decode() for row in maps]
            rows = rows.set_column(at, field.name, pa.array(texts, pa.string()))
    return with_visible_text(_times_as_text(rows), exact=())


def _times_as_text(rows: pa.Table) -> pa.Table:
    # by Arrow, since a stranger's file may hold times that Python's datetime cannot
    for at, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type):
            texts = pc.strftime(rows[field.name], format="%Y-%m-%dT%H:%M:%SZ")
            rows = rows.set_column(at, field.name, texts)
    return rows


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_escape(cell) for cell in cells) + " |"


def _escape(cell: str) -> str:
    """A cell of a Markdown table in which nothing is markup."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(cell.split()))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
