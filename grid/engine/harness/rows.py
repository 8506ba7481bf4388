"""Rows of the files that people keep data sets in: JSON lines, JSON lists, CSV; gzipped too."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grid.errors import InputError

SUFFIXES = (".jsonl", ".json", ".csv")

Row = dict[str, Any]


def is_table(path: Path) -> bool:
    """Whether the name is that of a file that `read_rows` reads."""
    return path.name.removesuffix(".gz").endswith(SUFFIXES)


def stem(path: Path) -> str:
    """The file's name without its suffixes."""
    name = path.name.removesuffix(".gz")
    return next((name.removesuffix(end) for end in SUFFIXES if name.endswith(end)), name)


def read_rows(path: Path) -> list[Row]:
    """All rows. Those of a CSV without a header (MMLU's) have the columns `0`, `1`, ...

    Raises InputError naming the file and the line that is wrong.
    """
    return list(iterate_rows(path))


def first_row(path: Path) -> Row | None:
    """The first row; None where the file is no table."""
    try:
        return next(iterate_rows(path), None)
    except InputError:
        return None


def iterate_rows(path: Path) -> Iterator[Row]:
    """The rows, parsed as they are taken. Raises InputError naming the file and the line."""
    text = _read(path)
    if path.name.removesuffix(".gz").endswith(".csv"):
        yield from _csv_rows(path, text)
    elif path.name.removesuffix(".gz").endswith(".json") and text.lstrip().startswith("["):
        for number, row in enumerate(_parse(path, "", text), start=1):
            yield _as_row(path, f"element {number}", row)
    else:
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                place = f"line {number}"
                yield _as_row(path, place, _parse(path, place, line))


def _read(path: Path) -> str:
    try:
        content = path.read_bytes()
        data = gzip.decompress(content) if path.name.endswith(".gz") else content
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: not UTF-8; save it as UTF-8") from None
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: {reason}") from None


def _parse(path: Path, place: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        where = f", {place}" if place else ""
        raise InputError(f"{path}{where}: not JSON: {error}") from None


def _as_row(path: Path, place: str, row: Any) -> Row:
    if not isinstance(row, dict):
        raise InputError(f"{path}, {place}: not a JSON object")
    return row


def _csv_rows(path: Path, text: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text), strict=True)
    header: list[str] | None = None
    try:
        for fields in reader:
            if header is None:
                headless = len(fields) == 6 and fields[-1].strip() in ("A", "B", "C", "D")
                header = [str(n) for n in range(6)] if headless else fields
                if not headless:
                    continue
            if len(fields) != len(header):
                count = f"{len(fields)} fields where the first line has {len(header)}"
                raise InputError(f"{path}, line {reader.line_num}: {count}")
            yield dict(zip(header, fields, strict=True))
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}") from None
