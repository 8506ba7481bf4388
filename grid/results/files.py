"""One Arrow IPC file of a store: writing it, and reading one whose content may be anything."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import pyarrow as pa

from grid.results.location import Location, one_line
from grid.results.migrations import MIGRATIONS, Migration
from grid.results.schema import SCHEMA_VERSION, TABLE_KEY, TABLES, VERSION_KEY, file_schema

ENDING = ".arrow"
_NAME = re.compile(r"(attempts|metrics|samples|items)-.*\.arrow")


class UnreadableFile(NamedTuple):
    """A file that was skipped, and why."""

    file: str
    reason: str


class UnreadableFileError(Exception):
    """The file is foreign, torn, or of a newer schema; the text is the reason."""


class TornFileError(UnreadableFileError):
    """The file says that it is of a store, and cannot be read."""


class NewerSchemaError(UnreadableFileError):
    """The file was written by a newer quantgrid."""


def new_name(table: str) -> str:
    """`attempts-20260102T030405.678901Z-1a2b3c4d.arrow`: unique, and sorting by time."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    return f"{table}-{now}-{secrets.token_hex(4)}{ENDING}"


def table_of_name(name: str) -> str | None:
    """The table that a file's name promises; None where it names none."""
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
    """The table that a file's own metadata names. Raises UnreadableFileError, FileNotFoundError."""
    with _OpenFile(location, name) as reader:
        return _identify(reader.schema)[0]


def check_header(location: Location, name: str) -> None:
    """Open a file and check its metadata. Raises as `read` does, except for damage inside its
    columns."""
    with _OpenFile(location, name) as reader:
        table, version = _identify(reader.schema)
        if version == SCHEMA_VERSION:
            _check_schema(reader.schema, table, version)


def read(
    location: Location, name: str, steps: dict[int, Migration] = MIGRATIONS
) -> tuple[str, pa.Table]:
    """(table, rows in the present schema) of a file whose content may be anything.

    Raises UnreadableFileError with the reason where it is not a whole file of a store,
    NewerSchemaError where it was written by a newer version, FileNotFoundError where it is gone
    since it was listed.
    """
    with _OpenFile(location, name) as reader:
        table, version = _identify(reader.schema)
        try:
            content = reader.read_all()
            content.validate(full=True)
        except (pa.ArrowException, OSError, MemoryError, ValueError) as error:
            raise UnreadableFileError(f"torn or damaged: {one_line(error)}") from error
    try:
        for step in range(version, SCHEMA_VERSION):
            content = steps[step](table, content)
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise UnreadableFileError(
            f"not what schema version {version} says: {one_line(error)}"
        ) from error
    return table, _conform(content, table, version)


def scan(
    location: Location,
    name: str,
    columns: Sequence[str],
    batches: Collection[int] | None = None,
) -> Iterator[tuple[str, int, pa.Table]]:
    """(table, number, some columns) of the record batches of a file whose content may be anything.

    Only these columns are read and checked, unless the file is of an older schema: that is read
    whole and is one batch. `batches` None means all. Raises as `read` does, at any batch.
    """
    promised = table_of_name(name)
    for table in TABLES if promised is None else (promised,):
        try:
            with _OpenFile(location, name, _read_options(table, columns)) as reader:
                if _is_current(reader.schema, table, columns):
                    for number, content in _batches(reader, table, columns, batches):
                        yield table, number, content
                    return
        except TornFileError:
            raise
        except UnreadableFileError:
            continue  # an older one has fewer columns, or none of ours: read it whole
    table, content = read(location, name)
    yield (
        table,
        0,
        content.select(_columns_schema(table, columns).names),
    )  # in the order of newer files


def _read_options(table: str, columns: Sequence[str]) -> pa.ipc.IpcReadOptions:
    fields = [i for i, column in enumerate(TABLES[table].names) if column in columns]
    return pa.ipc.IpcReadOptions(included_fields=fields, use_threads=False)


def _columns_schema(table: str, columns: Sequence[str]) -> pa.Schema:
    return pa.schema([field for field in TABLES[table] if field.name in columns])


def _is_current(schema: pa.Schema, table: str, columns: Sequence[str]) -> bool:
    metadata = schema.metadata or {}
    version = str(SCHEMA_VERSION).encode()
    matches = metadata.get(TABLE_KEY) == table.encode() and metadata.get(VERSION_KEY) == version
    return matches and schema.equals(_columns_schema(table, columns), check_metadata=False)


def _batches(
    reader: pa.ipc.RecordBatchFileReader,
    table: str,
    columns: Sequence[str],
    wanted: Collection[int] | None,
) -> Iterator[tuple[int, pa.Table]]:
    schema = _columns_schema(table, columns)
    for number in range(reader.num_record_batches) if wanted is None else sorted(wanted):
        try:
            content = reader.get_batch(number)
            content.validate(full=True)
        except (pa.ArrowException, OSError, MemoryError, ValueError) as error:
            raise TornFileError(f"torn or damaged: {one_line(error)}") from error
        # the types are those of the schema already; casting would cost more than reading
        yield number, _require_ids(pa.Table.from_batches([content], schema))


class _OpenFile:
    """An IPC reader over a file of the store; a failure to get one is an UnreadableFileError."""

    def __init__(
        self, location: Location, name: str, options: pa.ipc.IpcReadOptions | None = None
    ) -> None:
        self.location, self.name, self.options = location, name, options

    def __enter__(self) -> pa.ipc.RecordBatchFileReader:
        try:
            self.file = self.location.fs.open_input_file(self.location.child(self.name))
        except FileNotFoundError:
            raise
        except (OSError, pa.ArrowException) as error:
            raise UnreadableFileError(f"cannot be opened: {one_line(error)}") from error
        try:
            return pa.ipc.open_file(self.file, options=self.options)
        except (pa.ArrowException, OSError, MemoryError, ValueError) as error:
            self.file.close()
            raise UnreadableFileError(f"torn, or not an Arrow file: {one_line(error)}") from error

    def __exit__(self, *_: object) -> None:
        self.file.close()


def _identify(schema: pa.Schema) -> tuple[str, int]:
    metadata = schema.metadata or {}
    table = metadata.get(TABLE_KEY, b"").decode("utf-8", "replace")
    text = metadata.get(VERSION_KEY, b"").decode("utf-8", "replace")
    if table not in TABLES or not re.fullmatch("[1-9][0-9]{0,8}", text):
        raise UnreadableFileError("an Arrow file, but not one of a quantgrid store")
    version = int(text)
    if version > SCHEMA_VERSION:
        raise NewerSchemaError(
            f"schema version {version}, newer than the {SCHEMA_VERSION} known here; "
            "upgrade quantgrid"
        )
    return table, version


def _conform(content: pa.Table, table: str, version: int) -> pa.Table:
    _check_schema(content.schema, table, version)
    return _require_ids(content).replace_schema_metadata(None).cast(TABLES[table])


def _check_schema(schema: pa.Schema, table: str, version: int) -> None:
    if not schema.equals(TABLES[table], check_metadata=False):
        raise UnreadableFileError(
            f"its columns are not those of {table} in schema version {version}"
        )


def _require_ids(content: pa.Table) -> pa.Table:
    for name in ("attempt_id", "cell_id"):
        if name in content.column_names and content[name].null_count:
            raise TornFileError("rows without attempt_id or cell_id")
    return content
