"""Files derived from a store's rows, kept so that they need not be computed again.

They stand in `.derived` in the store's folder, or in our cache where that cannot be written to or
is remote. Nothing needs them: a file that is damaged, foreign or of other code is ignored.
"""

from __future__ import annotations

import contextlib
import os
import platform
import stat
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from grid.cache import cache_dir, free_bytes, write_atomically
from grid.models.identity import digest

if TYPE_CHECKING:
    from grid.results.location import Location

FOLDER, ENDING = ".derived", ".bin"
MOST_BYTES, MOST_OF_ONE = 2**28, 2**26
"""Bytes of all files of a store, and of one."""
MOST_UNPACKED = 2**29
NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
SPARE_BYTES = 2**30
"""Left free on the disk."""

_ROOMS = ("advice", "analysis", "app", "cells", "hardware", "models", "results")
"""Code that derived figures come from."""
_CHECK_BYTES, _SIZE_BYTES = 32, 8


class DerivedFolder:
    """Named contents of one store. Reading and writing never fail: they do nothing instead."""

    def __init__(self, location: Location) -> None:
        self._path = _place(location)

    def read(self, name: str) -> bytes | None:
        """The content that this version of the code wrote; None where there is none that is
        whole."""
        path = self._path / f"{name}{ENDING}"
        try:
            content = _read_file(path)
        except OSError:
            return None
        check, packed = content[:_CHECK_BYTES], content[_CHECK_BYTES:]
        if check != _check(name, packed):
            return None
        with contextlib.suppress(OSError):
            os.utime(path, follow_symlinks=False)  # the files used last are kept longest
        return _unpack(packed)

    def write(self, name: str, content: bytes) -> None:
        """Keep a content under a name, whole or not at all."""
        packed = len(content).to_bytes(_SIZE_BYTES, "little") + _packed(content)
        if len(packed) + _CHECK_BYTES > MOST_OF_ONE or len(content) > MOST_UNPACKED:
            return
        with contextlib.suppress(OSError):
            self._make_room(len(packed))
            if free_bytes(self._path) > SPARE_BYTES + len(packed):
                write_atomically(self._path / f"{name}{ENDING}", _check(name, packed) + packed)

    def _make_room(self, size: int) -> None:
        """Create the folder; of too many bytes remove the files that were not used for longest."""
        if not self._path.is_dir():
            self._path.mkdir(parents=True)
            (self._path / ".gitignore").write_text("*\n")
        files = [(entry.stat(), entry) for entry in self._path.glob(f"*{ENDING}")]
        total = size + sum(status.st_size for status, _ in files)
        for status, entry in sorted(files, key=lambda pair: pair[0].st_mtime):
            if total <= MOST_BYTES:
                return
            entry.unlink(missing_ok=True)
            total -= status.st_size


def _place(location: Location) -> Path:
    beside = Path(location.path) / FOLDER
    is_beside = location.is_local and os.access(location.path, os.W_OK) and not beside.is_symlink()
    return beside if is_beside else cache_dir() / "derived" / digest(location.path)


def _read_file(path: Path) -> bytes:
    """A stranger's store may hold a pipe or a link there: neither is waited for nor followed."""
    descriptor = os.open(path, os.O_RDONLY | NO_FOLLOW)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_OF_ONE:
            raise OSError(f"{path}: no file of ours")
        return file.read(MOST_OF_ONE)


def _check(name: str, packed: bytes) -> bytes:
    return blake2b(
        packed, digest_size=_CHECK_BYTES, person=code_version().encode(), salt=_salt(name)
    ).digest()


def _salt(name: str) -> bytes:
    return blake2b(name.encode(), digest_size=16).digest()


def _packed(content: bytes) -> bytes:
    return bytes(pa.compress(content, codec="zstd", asbytes=True))


def _unpack(packed: bytes) -> bytes | None:
    size = int.from_bytes(packed[:_SIZE_BYTES], "little")
    if size > MOST_UNPACKED:
        return None
    try:
        return bytes(pa.decompress(packed[_SIZE_BYTES:], size, codec="zstd", asbytes=True))
    except (pa.ArrowException, OSError, ValueError):
        return None


@cache
def code_version() -> str:
    """16 hex digits that change with any file of the code that figures come from, and with the
    versions of Python and NumPy."""
    root = Path(__file__).parents[1]
    paths = (path for room in _ROOMS for path in (root / room).rglob("*"))
    files = sorted(path for path in paths if path.suffix in (".py", ".json"))
    states = [(str(p.relative_to(root)), (s := p.stat()).st_size, s.st_mtime_ns) for p in files]
    return digest(states, platform.python_version(), np.__version__)
