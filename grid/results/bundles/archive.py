"""A bundle as a folder, a .zip or a .tar: a few named files, read within bounds, never unpacked.

A bundle of somebody else may be anything. Only the names of `MEMBERS` may stand in it, each once
and as a plain file of at most `MOST_BYTES`. Rows are Arrow streams without compression, so that no
buffer grows while it is read.
"""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

import pyarrow as pa
from pyarrow import fs

from grid.errors import InputError
from grid.models.display_names import shorten, visible
from grid.results.location import Location, one_line
from grid.results.schema import TABLES, file_schema

MANIFEST = "bundle.json"
MEMBERS = (MANIFEST, *(f"{table}.arrows" for table in TABLES))
MOST_BYTES = 64 * 2**20
"""Of a member, and of an archive."""

_SCHEMA, _RECORD_BATCH = 1, 3
"""Kinds of message of an Arrow stream, by the format's own numbers."""


def encode_table(table: str, rows: pa.Table) -> bytes:
    """An Arrow stream without compression."""
    sink = io.BytesIO()
    schema = file_schema(table)
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_table(rows.replace_schema_metadata(schema.metadata))
    return sink.getvalue()


def decode_table(table: str, content: bytes) -> pa.Table:
    """Rows of a stream that may be anything. Raises InputError where they are not of the table."""
    try:
        _refuse_compression(content)
        rows = pa.ipc.open_stream(content).read_all()
        rows.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, struct.error, IndexError) as error:
        raise InputError(f"{table}.arrows is torn or no rows: {one_line(error)}") from error
    if not rows.schema.equals(TABLES[table], check_metadata=False):
        raise InputError(f"{table}.arrows has other columns than {table} of this version")
    return rows.replace_schema_metadata(None).cast(TABLES[table])


def _refuse_compression(content: bytes) -> None:
    """Raises ValueError for a stream with a compressed batch, or with a dictionary."""
    for message in pa.ipc.MessageReader.open_stream(pa.py_buffer(content)):
        buffer = message.metadata.to_pybytes()
        table = struct.unpack_from("<I", buffer, 0)[0]
        kind = _field(buffer, table, 1)
        if kind is None or buffer[kind] not in (_SCHEMA, _RECORD_BATCH):
            raise ValueError("a message that is neither schema nor rows")
        header = _field(buffer, table, 2)
        if buffer[kind] == _RECORD_BATCH and header is not None:
            batch = header + struct.unpack_from("<I", buffer, header)[0]
            if _field(buffer, batch, 3) is not None:
                raise ValueError("its rows are compressed")


def _field(buffer: bytes, table: int, number: int) -> int | None:
    """Where a field of a flatbuffer's table lies; None where it is absent."""
    vtable = table - struct.unpack_from("<i", buffer, table)[0]
    if vtable < 0:
        raise ValueError("a table outside its message")
    if 4 + 2 * number >= struct.unpack_from("<H", buffer, vtable)[0]:
        return None
    offset = int(struct.unpack_from("<H", buffer, vtable + 4 + 2 * number)[0])
    return table + offset if offset else None


def write_bundle(target: str, members: Mapping[str, bytes]) -> None:
    """Write a .zip, a .tar, or a folder of the members. Raises InputError where that fails."""
    path = PurePosixPath(target)
    try:
        if path.suffix == ".zip":
            _write_file(target, _zip_bytes(members))
        elif path.suffix == ".tar":
            _write_file(target, _tar_bytes(members))
        else:
            location = Location(target)
            location.create_folder()
            for name, content in members.items():
                location.write(name, content)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"cannot write {target}: {one_line(error)}; name another place") from error


def _write_file(target: str, content: bytes) -> None:
    folder, _, name = target.rpartition("/")
    location = Location(folder or ".")
    location.create_folder()
    location.write(name, content)


def _zip_bytes(members: Mapping[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return sink.getvalue()


def _tar_bytes(members: Mapping[str, bytes]) -> bytes:
    """Without the owner, mode or times that tar would take from this machine."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return sink.getvalue()


def read_members(place: str) -> dict[str, bytes]:
    """The files of a bundle. Raises InputError in one line for what is none."""
    location = Location(place)
    info = location.fs.get_file_info(location.path)
    if info.type == fs.FileType.NotFound:
        raise InputError(f"there is no bundle {location.display_name}")
    if info.type == fs.FileType.Directory:
        return _read_folder(location)
    if (info.size or 0) > MOST_BYTES:
        raise _refused(f"has {info.size:,} bytes, more than {MOST_BYTES:,}")
    with location.fs.open_input_stream(location.path) as stream:
        content = bytes(stream.read(MOST_BYTES + 1))
    if len(content) > MOST_BYTES:
        raise _refused(f"has more than {MOST_BYTES:,} bytes")
    try:
        if zipfile.is_zipfile(io.BytesIO(content)):
            return _read_zip(content)
        return _read_tar(content)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise _refused(f"is no .zip, .tar or folder: {one_line(error)}") from error
    except (NotImplementedError, RuntimeError) as error:
        raise _refused(f"cannot be read: {one_line(error)}") from error


def _read_folder(location: Location) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    for entry in location.entries():

        def read(name: str = entry.name) -> bytes:
            with location.fs.open_input_stream(location.child(name)) as stream:
                return bytes(stream.read(MOST_BYTES + 1))

        _add(members, entry.name, entry.is_file, entry.size, read)
    return _whole(members)


def _read_zip(content: bytes) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for info in archive.infolist():
            is_file = not info.is_dir() and (info.external_attr >> 28) in (0, 8)

            def read(info: zipfile.ZipInfo = info) -> bytes:
                with archive.open(info) as stream:
                    return stream.read(MOST_BYTES + 1)

            _add(members, info.filename, is_file, info.file_size, read)
    return _whole(members)


def _read_tar(content: bytes) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
        for info in archive:

            def read(info: tarfile.TarInfo = info) -> bytes:
                stream = archive.extractfile(info)
                return stream.read(MOST_BYTES + 1) if stream else b""

            _add(members, info.name, info.isreg(), info.size, read)
    return _whole(members)


def _add(
    members: dict[str, bytes], name: str, is_file: bool, size: int, read: Callable[[], bytes]
) -> None:
    """Take a file; raises InputError before it is read where it cannot be part of a bundle."""
    shown = shorten(visible(name), 60)
    if name not in MEMBERS:
        raise _refused(f"holds {shown!r}, which is no part of a bundle")
    if not is_file or name in members:
        raise _refused(f"holds {shown!r} twice, or as no plain file")
    if size > MOST_BYTES:
        raise _refused(f"holds {shown!r} of {size:,} bytes, more than {MOST_BYTES:,}")
    content = read()
    if len(content) > MOST_BYTES:
        raise _refused(f"holds {shown!r} of more than {MOST_BYTES:,} bytes")
    members[name] = content


def _whole(members: dict[str, bytes]) -> dict[str, bytes]:
    if missing := [name for name in MEMBERS if name not in members]:
        raise _refused(f"lacks {', '.join(missing)}")
    return members


def _refused(why: str) -> InputError:
    return InputError(f"the bundle {why}")
