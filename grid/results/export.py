"""The wide table for people and other programs: filtered, and written as csv, json, md, parquet."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from grid.errors import InputError, did_you_mean
from grid.results import query
from grid.results.location import one_line, write_whole
from grid.results.schema import ATTEMPTS

if TYPE_CHECKING:
    from grid.results.reader import Results

LEADING = ("model", "quant", "backend", "label", "scope", "status")
"""Attempt columns that a table shows before the metrics, unless columns are named."""

_ORDER = ("model", "artifact_bytes", "quant", "label", "cell_id")


def table(
    results: Results,
    where: str | None = None,
    columns: Sequence[str] | None = None,
    sort: str | None = None,
    limit: int | None = None,
) -> pa.Table:
    """What `grid results` shows: of each final attempt what it was and the metrics it has.

    `where` is an SQL expression over the wide table (`quant = 'Q4_K_M' AND decode_tps > 20`),
    `sort` a column or `-column`. Without `columns`, metrics that no row shown has are left out.
    Raises InputError in one line for an unknown column or an expression that is none.
    """
    found = query.rows(results.wide(), where, (sort, *_ORDER) if sort else _ORDER, limit)
    return _picked(found, columns) if columns else found.select(_default_columns(found))


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
    Raises InputError.
    """
    if format not in FORMATS:
        raise InputError(f"no export format {format!r}. {did_you_mean(format, FORMATS)}")
    if format == "md":
        found = table(results, where, columns)
    else:
        found = query.rows(results.wide(), where, _ORDER)
        found = _picked(found, columns) if columns else found
    _write(target, FORMATS[format](found), binary=format == "parquet")
    return found.num_rows


def markdown(found: pa.Table) -> str:
    """A Markdown table; numbers to four significant digits, absent values empty."""
    lines = [_line(found.column_names), _line(["---"] * found.num_columns)]
    lines += [_line([_cell(value) for value in row.values()]) for row in _flat(found).to_pylist()]
    return "\n".join(lines) + "\n"


def _csv(found: pa.Table) -> bytes:
    from pyarrow import csv

    sink = pa.BufferOutputStream()
    csv.write_csv(_flat(found), sink)
    return bytes(sink.getvalue())


def _json(found: pa.Table) -> bytes:
    rows = _times_as_text(found).to_pylist(maps_as_pydicts="lossy")
    return b"[\n" + b",\n".join(msgspec.json.encode(row) for row in rows) + b"\n]\n"


def _markdown(found: pa.Table) -> bytes:
    return markdown(found).encode()


def _parquet(found: pa.Table) -> bytes:
    from pyarrow import parquet

    sink = pa.BufferOutputStream()
    parquet.write_table(found, sink, compression="zstd")
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


def _picked(found: pa.Table, columns: Sequence[str]) -> pa.Table:
    for name in columns:
        query.known_column(name, found.column_names)
    return found.select(list(dict.fromkeys(columns)))


def _default_columns(found: pa.Table) -> list[str]:
    leading = [name for name in LEADING if name in found.column_names]
    metrics = [
        name
        for name in found.column_names
        if name not in ATTEMPTS.names
        and not name.endswith(("_low", "_high"))
        and found[name].null_count < found.num_rows
    ]
    return leading + metrics


def _flat(found: pa.Table) -> pa.Table:
    """The table with maps as JSON text and times as ISO 8601 text."""
    for at, field in enumerate(found.schema):
        if pa.types.is_map(field.type):
            maps = found.select([at]).to_pylist(maps_as_pydicts="lossy")
            texts = [msgspec.json.encode(row[field.name]).decode() for row in maps]
            found = found.set_column(at, field.name, pa.array(texts, pa.string()))
    return _times_as_text(found)


def _times_as_text(found: pa.Table) -> pa.Table:
    # by Arrow, since a stranger's file may hold times that Python's datetime cannot
    for at, field in enumerate(found.schema):
        if pa.types.is_timestamp(field.type):
            texts = pc.strftime(found[field.name], format="%Y-%m-%dT%H:%M:%SZ")
            found = found.set_column(at, field.name, texts)
    return found


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_escaped(cell) for cell in cells) + " |"


def _escaped(cell: str) -> str:
    return " ".join(cell.split()).replace("\\", "\\\\").replace("|", "\\|")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
