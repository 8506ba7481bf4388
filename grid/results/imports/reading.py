"""From a file to rows: source -> records with units -> checks -> rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from grid.errors import InputError, did_you_mean
from grid.results.imports.checks import check
from grid.results.imports.content import read_text, why_no_text
from grid.results.imports.mapped.column_map import ColumnMap
from grid.results.imports.mapped.mapped_reader import MappedTableReader
from grid.results.imports.publication_tables import TABLES
from grid.results.imports.reader import Reader, find_readers
from grid.results.imports.record import Record
from grid.results.imports.rows import ImportedReport, import_report
from grid.results.imports.source import Source
from grid.results.imports.unread import unread_report
from grid.results.imports.values import parse_json

_RECOGNIZED = find_readers()

FORMATS = {name: reader for name, reader in _RECOGNIZED.items() if reader.selectable}
"""Readers that can be asked for, by name."""

_MOST_LINES = 3
"""Refused lines that the error of a file without an attempt names."""


def read_report(
    path: str | Path,
    format: str | None = None,
    hardware: str | None = None,
    model: str | None = None,
    columns: ColumnMap | None = None,
    override: bool = False,
) -> ImportedReport:
    """What a tool's report says, as rows. `format` is detected where it is not given; `hardware`
    and `model` name what the report does not. Where they contradict it, the record is refused, or
    with `override` stored under them. A file that holds reports of several kinds (a table and a
    log) is read by the reader of each; with `columns` its tables are read by that map, whatever
    they are.

    Raises InputError, one line with the file and what is expected, for a file without a record
    that could be read and can be true.
    """
    path = Path(path)
    require_format(format)
    text = read_text(path)
    source = Source(path, text, _one_line(hardware), _one_line(model), override)
    readers = _readers(source, format, columns)
    checked = check(_records(source, readers))
    refused = [*source.refused, *(f"{source.path}: {line}" for line in checked.refused)]
    if not checked.records and (refused or not source.skipped):
        raise _nothing(source, refused)
    return import_report(
        checked.records, source.skipped, source.name, text, refused, origin=readers[0].origin
    )


def require_format(name: str | None) -> None:
    """Raises InputError with the nearest name for a format that is none; None is any."""
    if name is not None and name not in FORMATS:
        raise InputError(f"unknown format {name!r}. {did_you_mean(name, FORMATS)}")


def _readers(source: Source, format: str | None, columns: ColumnMap | None) -> Sequence[Reader]:
    if columns is not None:
        return [MappedTableReader(columns, source.name)]
    return [_RECOGNIZED[format]] if format else recognizing(source)


def _records(source: Source, readers: Sequence[Reader]) -> list[Record]:
    """The records of all readers. What one of them cannot read is refused, the others go on."""
    records: list[Record] = []
    for reader in readers:
        with source.refusing():
            try:
                records.extend(reader.records(source))
            except RecursionError as error:
                raise source.error("nested too deeply for a report") from error
    source.refuse_broken_json()
    return records


def _nothing(source: Source, refused: Sequence[str]) -> InputError:
    """The error of a file without a record that counts: what of it was not understood."""
    if not refused:
        return source.error("no figures in it; give the report of a whole run")
    beyond = len(refused) - _MOST_LINES
    lines = [line.removeprefix(f"{source.path}: ") for line in refused[:_MOST_LINES]]
    return source.error("; ".join(lines) + (f"; and {beyond} more lines" if beyond > 0 else ""))


def _one_line(name: str | None) -> str | None:
    return " ".join(name.split()) or None if name else None


def recognizing(source: Source) -> list[Reader]:
    """The readers that recognize the source. Raises InputError where none does, with what it is."""
    start = source.text.lstrip()[:200].lower()
    if start.startswith(("<!doctype", "<html", "<?xml", "<head")):
        raise InputError(
            f"{source.path} is a web page; save the report itself, for example the raw file"
        )
    readers = [reader for reader in _RECOGNIZED.values() if reader.recognizes(source)]
    if readers:
        return readers
    if named := unread_report(source):
        raise InputError(f"{source.path} {named}")
    if source.is_json and source.json is None and not source.json_parts:
        parse_json(source, source.text)  # says where the JSON breaks off
    if source.path.stem in TABLES:
        raise InputError(
            f"{source.path} is a published table, which comes with quantgrid: "
            f"grid import --published {source.path.stem}"
        )
    tools = ", ".join(dict.fromkeys(reader.origin.name for reader in FORMATS.values()))
    what = "is JSON, but no report" if source.is_json else "is no report"
    raise InputError(
        f"{source.path} {why_no_text(source.text) or what + ' that is known'}; "
        f"known are reports of {tools}; --map reads any other table"
    )
