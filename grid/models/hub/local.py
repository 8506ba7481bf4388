"""Weights of the hub on this machine's disk: downloads all their files, or says why it cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from posixpath import basename

from grid.cache import SPARE_BYTES, cache_dir, free_bytes, nearest_existing
from grid.errors import EngineError, name_some
from grid.models.hub.address import parse
from grid.models.hub.download import cached_path, download, present_bytes
from grid.models.hub.errors import RemotePath
from grid.models.hub.links import fill_folder_with_links
from grid.models.hub.repository import RemoteFile, list_files
from grid.models.hub.weights import HubWeights, select
from grid.units import format_bytes

Progress = Callable[[int, int], None]
"""Called with the bytes downloaded so far and the bytes in all."""


def fetch(weights: HubWeights, progress: Progress | None = None) -> Path:
    """The weights on disk: the path of the GGUF file (its first part), or of the folder.

    They lie in the user's own cache of the hub; what is there already, in whole or in part, is not
    downloaded again. Every file's content is checked against the listing's hash. A folder is one
    of links, with the files of `weights` and no others. Raises EngineError with one line where
    there is no room, no network, or a file that is not what the hub lists.
    """
    missing = missing_files(weights)
    _refuse_offline(weights, missing)
    _refuse_full_disk(weights, missing)
    counter = _ProgressSum(sum(file.size for file in weights.files), progress)
    paths = {
        file.path: download(weights.repo, weights.commit, file, counter.advance)
        for file in weights.files
    }
    if not weights.folder:
        return paths[weights.name]
    try:
        return fill_folder_with_links(
            folder_of(weights, "folders"), {basename(path): file for path, file in paths.items()}
        )
    except OSError as error:
        raise EngineError(
            f"{weights.address}: the cache takes no folder ({error}); set QUANTGRID_CACHE to a "
            "disk that can be written"
        ) from error


def find_weights(text: str) -> HubWeights:
    """The only set of weights at an address. Raises EngineError where it matches several, and what
    `list_files` and `select` raise."""
    address = parse(text)
    matches = select(list_files(address), address.file)
    if len(matches) > 1:
        raise EngineError(f"{address} matches {len(matches)} files; name one")
    return matches[0]


def missing_files(weights: HubWeights) -> list[RemoteFile]:
    """The files that the user's cache does not hold in full."""
    return [
        file for file in weights.files if cached_path(weights.repo, weights.commit, file) is None
    ]


def folder_of(weights: HubWeights, kind: str) -> Path:
    """A folder of our cache for these weights: named like them, under their commit."""
    top = cache_dir() / "hub" / kind / weights.commit
    return top / basename(weights.repo) / weights.name


def _refuse_offline(weights: HubWeights, missing: list[RemoteFile]) -> None:
    from huggingface_hub import constants

    if not missing or not constants.is_offline_mode():
        return
    names = name_some([str(RemotePath(weights.repo, file.path)) for file in missing], 1)
    raise EngineError(
        f"{names}: not in the cache, and HF_HUB_OFFLINE is set; unset it, or bring "
        f"{format_bytes(sum(file.size for file in missing))} into the cache on a connected machine"
    )


def _refuse_full_disk(weights: HubWeights, missing: list[RemoteFile]) -> None:
    from huggingface_hub import constants

    needed = sum(file.size - present_bytes(weights.repo, file) for file in missing)
    folder = Path(constants.HF_HUB_CACHE)
    free = free_bytes(folder)
    if needed and needed + SPARE_BYTES > free:
        raise EngineError(
            f"{weights.address}: no room to download: {format_bytes(needed)} needed, "
            f"{format_bytes(free)} free in {nearest_existing(folder)}; make room, or set HF_HOME "
            "to a larger disk"
        )


class _ProgressSum:
    """Adds up the progress of single files."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def advance(self, count: int) -> None:
        self._done += count
        if self._progress is not None:
            self._progress(self._done, self._total)
