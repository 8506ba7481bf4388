"""Weight files and folders that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from grid.errors import EngineError


@contextlib.contextmanager
def write_whole(target: Path) -> Iterator[Path]:
    """A path beside `target`, to make a file or a folder at. It becomes `target` at the end; where
    something fails it vanishes. Raises EngineError where the disk refuses."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(target)
    except OSError as error:
        raise EngineError(f"{target.name} cannot be written: {error.strerror or error}") from error
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
