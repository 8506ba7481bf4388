"""The cache folder of this node, for what can be remade: artifacts, references, probes, logs."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

CACHE_VARIABLE = "QUANTGRID_CACHE"

SPARE_BYTES = 64 * 2**20
"""Left free on a disk: a full one stops more than a sweep."""


def cache_dir() -> Path:
    """`$QUANTGRID_CACHE`, else the user's cache folder for quantgrid. Not created here."""
    override = os.environ.get(CACHE_VARIABLE)
    if override:
        return Path(override).absolute()  # processes with another working folder are given it too
    import platformdirs  # not in a backend's own environment, where the variable is always set

    return Path(platformdirs.user_cache_dir("quantgrid"))


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that no reader ever sees a part of it. Raises OSError; then nothing is left
    of it, which matters most on a full disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def why_unwritable() -> str:
    """Why the cache takes no file, with what to do; empty where it takes one."""
    folder = cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"quantgrid")
    except OSError as error:
        return (
            f"the cache {folder} cannot be written: {error.strerror or error}; set "
            f"{CACHE_VARIABLE} to a folder that can be"
        )
    return ""


def nearest_existing(folder: Path) -> Path:
    """The folder, or its nearest parent that exists, which is on the same disk."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def free_bytes(folder: Path) -> int:
    """Bytes free on the disk where a folder is, or will be."""
    return shutil.disk_usage(nearest_existing(folder)).free
