"""Files to import out of what a command line names: files, and folders with all that is in them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from grid.errors import InputError


def files_in(names: Iterable[str | Path]) -> Iterator[Path | InputError]:
    """The files, each once, those of a folder in the order of their names; hidden ones are passed
    over. A folder that is a store, empty or cannot be read is an InputError among them."""
    passed: set[Path] = set()
    for name in names:
        for path in _expand(Path(name)):
            if isinstance(path, InputError):
                yield path
            elif path not in passed:
                passed.add(path)
                yield path


def _expand(path: Path) -> Iterator[Path | InputError]:
    try:
        is_folder = path.is_dir()
    except (OSError, ValueError):
        is_folder = False
    if not is_folder:
        yield path
        return
    count = 0
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if any(name.startswith("attempts-") and name.endswith(".arrow") for name in names):
            count += 1
            folders[:] = []
            yield InputError(f"{folder} is a store; `grid merge` adds the rows of another store")
            continue
        for name in sorted(names):
            if not name.startswith("."):
                count += 1
                yield Path(folder) / name
    if not count:
        yield InputError(f"no files in the folder {path}, or it cannot be read")
