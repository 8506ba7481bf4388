"""Rows of a task file with their line numbers, and what is wrong with its lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from string import ascii_uppercase
from typing import Any, NamedTuple

from grid.cells.task_files.columns import COLUMNS, DEFAULT_COLUMNS, DEFAULTS, SETTINGS
from grid.errors import did_you_mean

_DELIMITERS = {";": "semicolons", "\t": "tabs"}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class Fault(NamedTuple):
    """What is wrong with a line, counted from 1; line 0 is the whole file."""

    line: int
    text: str


class Row(NamedTuple):
    """The filled columns of a line."""

    line: int
    values: Mapping[str, Any]


class Rows(NamedTuple):
    """All rows, the settings and defaults, and the faults of lines that are no rows."""

    rows: list[Row]
    defaults: Mapping[str, Any]
    faults: list[Fault]


def parse_rows(content: bytes, form: str) -> Rows:
    """The rows of a file; `form` is `jsonl` or `csv`. A byte order mark and CRLF are no faults."""
    if content.startswith(_UTF16):
        return Rows([], {}, [Fault(0, "it is UTF-16; save it as UTF-8")])
    faults: list[Fault] = []
    lines = list(_decode_lines(content.removeprefix(b"\xef\xbb\xbf"), faults))
    parsed = _parse_csv("".join(lines)) if form == "csv" else _parse_jsonl(lines)
    wrong = {fault.line for fault in faults}
    return Rows(
        [row for row in parsed.rows if row.line not in wrong],
        parsed.defaults,
        faults + [fault for fault in parsed.faults if fault.line not in wrong],
    )


def _decode_lines(content: bytes, faults: list[Fault]) -> Iterator[str]:
    """Lines with their ends; one that is not UTF-8 is a fault."""
    for number, line in enumerate(content.splitlines(keepends=True), start=1):
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            byte = line[error.start]
            faults.append(
                Fault(number, f"not UTF-8 (byte {error.start + 1}: 0x{byte:02x}); save it as UTF-8")
            )
            yield line.decode(errors="replace")


def _parse_jsonl(lines: list[str]) -> Rows:
    rows: list[Row] = []
    faults: list[Fault] = []
    defaults: Mapping[str, Any] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            text = getattr(error, "msg", "nested too deeply")
            column = getattr(error, "colno", 1)
            faults.append(Fault(number, f"not JSON: {text} (column {column})"))
            continue
        if not isinstance(values, dict):
            faults.append(Fault(number, 'not an object; write {"prompt": ..., "answer": ...}'))
        elif set(values) == {DEFAULTS} and isinstance(values[DEFAULTS], dict):
            if rows or defaults:
                faults.append(Fault(number, f"{DEFAULTS} go into the first line"))
            defaults = values[DEFAULTS]
            faults += _unknown_names(number, defaults, {*DEFAULT_COLUMNS, *SETTINGS}, DEFAULTS)
        else:
            faults += _unknown_names(number, values, COLUMNS, "")
            rows.append(Row(number, {k: v for k, v in values.items() if v is not None}))
    return Rows(rows, defaults, faults)


def _unknown_names(
    line: int, values: Mapping[str, Any], names: Mapping[str, str] | set[str], place: str
) -> Iterator[Fault]:
    for name in values:
        if name not in names:
            what = f"{place}: unknown key" if place else "unknown column"
            yield Fault(line, f"{what} {name!r}. {did_you_mean(name, names)}")


def _parse_csv(text: str) -> Rows:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[Row] = []
    faults: list[Fault] = []
    header: list[str] | None = None
    start = 1
    try:
        for cells in reader:
            line, start = start, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = [cell.strip() for cell in cells]
                faults = list(_header_faults(line, header))
                if faults:
                    break
            elif len(cells) != len(header):
                hint = "; a comma in a text needs quotes" if len(cells) > len(header) else ""
                text = f"{len(cells)} cells, the header has {len(header)}{hint}"
                faults.append(Fault(line, text))
            else:
                rows.append(Row(line, _filled(header, cells)))
    except csv.Error as error:
        faults.append(Fault(start, f"quotes that do not match in what begins here ({error})"))
    return Rows(rows, {}, faults)


def _header_faults(line: int, header: list[str]) -> Iterator[Fault]:
    if len(header) == 1:
        for delimiter, plain in _DELIMITERS.items():
            if delimiter in header[0]:
                yield Fault(line, f"its cells are separated by {plain}; save it with commas")
                return
    letters = [name for name in header if _is_letter(name)]
    columns = {*COLUMNS} - {"messages"}
    for index, name in enumerate(header):
        if name in header[:index]:
            yield Fault(line, f"column {name!r} is there twice")
        elif name == "messages":
            yield Fault(line, "column 'messages': conversations take JSONL")
        elif name in SETTINGS:
            yield Fault(line, f"column {name!r} is of the whole file: set it in the sweep file")
        elif name not in columns and not _is_letter(name):
            yield Fault(line, f"unknown column {name!r}. {did_you_mean(name, columns)}")
    if letters != list(ascii_uppercase[: len(letters)]):
        yield Fault(line, f"columns {', '.join(letters)}: choices are A, B, C, ... without a gap")
    if letters and "choices" in header:
        yield Fault(line, "both choices and columns A, B, ...; keep one of them")


def _is_letter(name: str) -> bool:
    return len(name) == 1 and name in ascii_uppercase


def _filled(header: list[str], cells: list[str]) -> dict[str, Any]:
    """The filled cells by column; the columns A, B, ... become `choices`, up to the last filled."""
    values: dict[str, Any] = {}
    letters = [cell for name, cell in zip(header, cells, strict=True) if _is_letter(name)]
    while letters and not letters[-1].strip():
        letters.pop()
    if letters:
        values["choices"] = letters
    for name, cell in zip(header, cells, strict=True):
        if not cell.strip() or _is_letter(name):
            continue
        if name in ("answers", "choices", "until"):
            values[name] = [part.strip() for part in cell.split("|")]
        else:
            values[name] = cell
    if "until" in values:
        values["until"] = [part.replace("\\n", "\n") for part in values["until"]]
    return values
