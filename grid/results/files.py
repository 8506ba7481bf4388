"""One Arrow IPC file of a store: how it is written, and how one that may be anything is read."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from typing import NamedTuple

import pyarrow as pa

from grid.results.location import Location, one_line
from grid.results.migrations import MIGRATIONS, Migration
from grid.results.schema import SCHEMA_VERSION, TABLE_KEY, TABLES, VERSION_KEY, file_schema

ENDING = ".arrow"
_NAME = re.compile(r"(attempts|metrics|samples|items)-.*\.arrow")


class Problem(NamedTuple):
    """A file that was skipped, and why."""

    file: str
    reason: str


class Skipped(Exception):
    """This file is none of ours, torn, or of a newer schema; the text is the reason."""


class Newer(Skipped):
    """The file was written by a newer quantgrid."""


def new_name(table: str) -> str:
    """`attempts-20260102T030405.678901Z-1a2b3c4d.arrow`: unique, and sorting by time."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    return f"{table}-{now}-{secrets.token_hex(4)}{ENDING}"


def table_of_name(name: str) -> str | None:
    """The table that a file's name promises; None where it promises nothing."""
    match = _NAME.fullmatch(name)
    return match[1] if match else None


def encode(table: str, content: pa.Table) -> pa.Buffer:
    """The bytes of a file: Arrow IPC, buffers compressed with zstd."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    schema = file_schema(table)
    with pa.ipc.new_file(sink, schema, options=options) as writer:
        writer.write_table(content.replace_schema_metadata(schema.metadata))
    return sink.getvalue()


def table_of_file(location: Location, name: str) -> str:
    """The table that a file's own metadata names. Raises Skipped, Newer, FileNotFoundError."""
    with _Opened(location, name) as reader:
        return _identify(reader.schema)[0]


def read(
    location: Location, name: str, steps: dict[int, Migration] = MIGRATIONS
) -> tuple[str, pa.Table]:
    """(table, rows in the present schema) of a file that nobody vouches for.

    Raises Skipped with the reason where it is not a whole file of ours, Newer where it was written
    by a newer version, FileNotFoundError where it went away since it was listed.
    """
    with _Opened(location, name) as reader:
        table, version = _identify(reader.schema)
        try:
            content = reader.read_all()
            content.validate(full=True)
        except (pa.ArrowException, OSError, MemoryError, ValueError) as error:
            raise Skipped(f"torn or damaged: {one_line(error)}") from error
    try:
        for step in range(version, SCHEMA_VERSION):
            content = steps[step](table, content)
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise Skipped(f"not what schema version {version} says: {one_line(error)}") from error
    return table, _checked(content, table, version)


class _Opened:
    """An IPC reader over a file of the store; every failure to get one is `Skipped`."""

    def __init__(self, location: Location, name: str) -> None:
        self.location, self.name = location, name

    def __enter__(self) -> pa.ipc.RecordBatchFileReader:
        try:
            self.file = self.location.fs.open_input_file(self.location.child(self.name))
        except FileNotFoundError:
            raise
        except (OSError, pa.ArrowException) as error:
            raise Skipped(f"cannot be opened: {one_line(error)}") from error
        try:
            return pa.ipc.open_file(self.file)
        except (pa.ArrowException, OSError, MemoryError, ValueError) as error:
            self.file.close()
            raise Skipped(f"torn, or not an Arrow file: {one_line(error)}") from error

    def __exit__(self, *_: object) -> None:
        self.file.close()


def _identify(schema: pa.Schema) -> tuple[str, int]:
    metadata = schema.metadata or {}
    table = metadata.get(TABLE_KEY, b"").decode("utf-8", "replace")
    text = metadata.get(VERSION_KEY, b"").decode("utf-8", "replace")
    if table not in TABLES or not re.fullmatch("[1-9][0-9]{0,8}", text):
        raise Skipped("an Arrow file, but not one of a quantgrid store")
    version = int(text)
    if version > SCHEMA_VERSION:
        raise Newer(
            f"schema version {version}, newer than the {SCHEMA_VERSION} known here; "
            "upgrade quantgrid"
        )
    return table, version


def _checked(content: pa.Table, table: str, version: int) -> pa.Table:
    wanted = TABLES[table]
    if not content.schema.equals(wanted, check_metadata=False):
        raise Skipped(f"its columns are not those of {table} in schema version {version}")
    if content["attempt_id"].null_count or content["cell_id"].null_count:
        raise Skipped("rows without attempt_id or cell_id")
    return content.replace_schema_metadata(None).cast(wanted)
