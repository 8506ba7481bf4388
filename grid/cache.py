"""Where this node keeps what can be made again: artifacts, references, probes, logs."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "QUANTGRID_CACHE"


def cache_dir() -> Path:
    """`$QUANTGRID_CACHE`, else the user's cache folder for quantgrid. Not created here."""
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return Path(given).absolute()  # processes with another working folder are given it too
    import platformdirs  # not in a backend's own environment, where the variable is always set

    return Path(platformdirs.user_cache_dir("quantgrid"))


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that no reader ever sees a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    temporary.replace(path)
