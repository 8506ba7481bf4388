"""Removes files that hold another content than they should, where they are ours to replace."""

from __future__ import annotations

import shutil
from pathlib import Path

from grid.cache import cache_dir
from grid.errors import EngineError
from grid.models.artifact import Artifact
from grid.models.split_files import part_paths
from grid.sweep.artifacts.content import ContentChanged
from grid.sweep.artifacts.inputs import is_bundled, is_remote
from grid.sweep.artifacts.obtain import CachedItem


def discard(artifact: Artifact, item: CachedItem, path: Path, changed: ContentChanged) -> None:
    """Remove an artifact's files from the cache, with what is noted of them. Raises EngineError
    where they are the user's own, or cannot be removed."""
    if is_bundled(artifact):
        raise EngineError(f"{changed}; install quantgrid again")
    if is_remote(artifact):
        _discard_fetched(path, changed)
    elif not path.is_relative_to(cache_dir()):
        raise EngineError(f"{changed} since the plan was made; run the sweep again")
    else:
        shutil.rmtree(item.home, ignore_errors=True)
    if path.exists():
        raise EngineError(f"{changed}, and it cannot be removed; remove it, then run again")


def _discard_fetched(path: Path, changed: ContentChanged) -> None:
    """Files of a hub or a package: what a link leads to goes with it. Of a folder of links the
    user decides."""
    if path.is_dir():
        raise EngineError(f"{changed}; remove the folder that its links lead to, then run again")
    try:
        for part in part_paths(path):
            part.resolve().unlink(missing_ok=True)
            part.unlink(missing_ok=True)
    except OSError as error:
        raise EngineError(f"{changed}, and {part} cannot be removed: {error.strerror}") from error
