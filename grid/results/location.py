"""The place of a store: a folder on any pyarrow filesystem, and its few operations."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from grid.errors import InputError
from grid.results.uris import without_credentials

PART = ".part"
"""Ending of a file that is not whole yet; readers look at `.arrow` only."""

_NO_FOLDERS = frozenset({"s3", "gcs", "abfs"})


class StoreEntry:
    """A name in a store's folder; `is_file` is False for folders and special files, `size` is in
    bytes, `changed_ns` since 1970 (0 where the filesystem does not say it)."""

    __slots__ = ("changed_ns", "is_file", "name", "size")

    def __init__(self, name: str, is_file: bool, size: int = 0, changed_ns: int = 0) -> None:
        self.name = name
        self.is_file = is_file
        self.size = size
        self.changed_ns = changed_ns


class Location:
    """A folder: a local path, or any URI that `pyarrow.fs.FileSystem.from_uri` takes.

    Options stand in the URI's query as pyarrow has them
    (`s3://bucket/runs?endpoint_override=127.0.0.1:9000&scheme=http`); credentials and the rest
    come from the environment. `display_name` is the place without credentials or query, for
    messages.
    """

    def __init__(self, uri: str | Path) -> None:
        text = str(uri)
        self.display_name = without_credentials(text)
        if not text.strip():
            raise InputError("the store's name is empty; give a folder or a URI such as s3://...")
        if "://" in text:
            self.fs, self.path = _from_uri(text, self.display_name)
        else:
            self.fs, self.path = fs.LocalFileSystem(), _local_path(text)
        self.is_local = isinstance(self.fs, fs.LocalFileSystem)

    def child(self, name: str) -> str:
        """The path of a name in the folder, as the filesystem wants it."""
        return f"{self.path.rstrip('/')}/{name}"

    def display_path(self, name: str) -> str:
        """The same for messages."""
        return f"{self.display_name.rstrip('/')}/{name}"

    def create_folder(self) -> None:
        """Create the folder, where the filesystem has folders. Raises OSError."""
        if self.fs.type_name not in _NO_FOLDERS:
            self.fs.create_dir(self.path, recursive=True)

    def entries(self) -> list[StoreEntry]:
        """The folder's names, sorted; none where it does not exist.

        Raises InputError where the place is a file or cannot be listed.
        """
        try:
            if self.fs.get_file_info(self.path).type == fs.FileType.File:
                raise InputError(f"{self.display_name} is a file; a store is a folder")
            selector = fs.FileSelector(self.path, recursive=False, allow_not_found=True)
            infos = self.fs.get_file_info(selector)
        except (OSError, pa.ArrowException) as error:
            raise InputError(
                f"cannot read the store {self.display_name}: {one_line(error)}"
            ) from error
        return sorted(
            (
                StoreEntry(
                    info.base_name,
                    info.type == fs.FileType.File,
                    info.size or 0,
                    info.mtime_ns or 0,
                )
                for info in infos
            ),
            key=lambda entry: entry.name,
        )

    def read(self, name: str) -> bytes:
        """The whole content. Raises OSError (FileNotFoundError where it is gone)."""
        with self.fs.open_input_stream(self.child(name)) as stream:
            return bytes(stream.read())

    def write(self, name: str, content: bytes | pa.Buffer) -> None:
        """Write a file whole or not at all: temporary name, fsync and rename on a local file
        system, one put on an object store. Raises OSError; no part stays under `name`."""
        if self.is_local:
            write_whole(Path(self.child(name)), content)
            return
        with self.fs.open_output_stream(self.child(name)) as stream:
            stream.write(content)

    def create(self, name: str, content: bytes) -> None:
        """Local only: create `name`, which must not exist. Raises FileExistsError, OSError."""
        with open(self.child(name), "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def remove(self, name: str) -> None:
        """Remove a file; one that is gone already is fine. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            self.fs.delete_file(self.child(name))


def write_whole(path: Path, content: bytes | pa.Buffer) -> None:
    """Write a file beside `path`, sync it, rename it to `path`; no part stays if that fails."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}{PART}")
    try:
        with open(part, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    _sync_folder(path.parent)


def one_line(error: BaseException) -> str:
    """The error's text without line breaks; its class where it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def _sync_folder(folder: Path) -> None:
    # Makes the rename last through a power cut; some network file systems refuse it, and there the
    # file itself is synced already.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _from_uri(text: str, display_name: str) -> tuple[fs.FileSystem, str]:
    try:
        filesystem, path = fs.FileSystem.from_uri(text)
    except (pa.ArrowException, OSError, ValueError) as error:
        # pyarrow's text may repeat the URI with its password
        reason = one_line(error).replace(text, display_name)
        raise InputError(f"{display_name} is not a place for a store: {reason}") from error
    if not path:
        raise InputError(
            f"{display_name} is not a place for a store: name a folder or bucket in it"
        )
    return filesystem, path


def _local_path(text: str) -> str:
    try:
        return str(Path(text).expanduser().absolute())
    except RuntimeError as error:
        raise InputError(
            f"{text}: no such home folder; set HOME, or write the whole path"
        ) from error
