"""Folders of links to cached files: no second copy of the content."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def fill_folder_with_links(folder: Path, files: Mapping[str, Path]) -> Path:
    """Make `folder` hold links under the given names to the given files, and nothing else.

    Two processes may do so at once: each link appears whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for stray in folder.iterdir():
        if stray.name not in files and not stray.is_dir() and not stray.name.startswith("."):
            stray.unlink(missing_ok=True)
    for name, file in files.items():
        link(folder / name, file)
    return folder


def link(path: Path, file: Path) -> None:
    """Make `path` a link to `file`: symbolic, or hard where the system allows no symbolic ones."""
    if path.is_symlink() and path.resolve() == file.resolve() and path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    try:
        temporary.symlink_to(file.absolute())
    except OSError:
        os.link(file.resolve(), temporary)
    temporary.replace(path)
