"""The artifacts of a made-up model: each quant is written by itself, of nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from grid.backend import Backend
from grid.cells.cell import Cell
from grid.cells.workload import Quality, Tasks
from grid.errors import InputError, Unsupported, did_you_mean
from grid.models.artifact import Artifact
from grid.models.gguf.presets import PRESETS
from grid.models.identity import digest
from grid.models.synthetic import GENERATOR, PREFIX, SyntheticFile, SyntheticModel, find_synthetic
from grid.plan.sweep import ALL, ModelEntry, Sweep

FORMAT = "gguf"


class SyntheticArtifact(NamedTuple):
    """An artifact to be written, its size in bytes, and why it is not (empty where it is)."""

    artifact: Artifact
    bytes: int
    obstacle: str


def is_synthetic(artifact: Artifact) -> bool:
    """True for made-up weights."""
    return artifact.model.source.startswith(PREFIX)


def random_weights_obstacle(cell: Cell) -> str:
    """Why made-up weights are not asked what only trained ones answer; empty for others."""
    if not is_synthetic(cell.artifact) or not isinstance(cell.workload, Quality | Tasks):
        return ""
    return "its weights are random: they have speed and memory, no quality and no answers"


def synthetic_artifacts(
    sweep: Sweep, backends: Mapping[str, Backend], entry: ModelEntry
) -> Iterator[SyntheticArtifact]:
    """The artifacts of an entry whose source is a made-up model. Raises InputError for a name that
    is none, and for a quant that llama.cpp has not."""
    model = find_synthetic(entry.source)
    quants = _requested_quants(sweep, backends, entry)
    files: dict[str, SyntheticFile] = {}
    obstacles: dict[str, str] = {}
    for quant in quants:
        try:
            files[quant] = synthetic_file(model, quant)
        except Unsupported as error:
            obstacles[quant] = str(error)
    obstacles |= _duplicates(files)
    for quant in quants:
        file = files.get(quant) or synthetic_file(model, "F16")
        artifact = _artifact(model, entry, quant, file)
        yield SyntheticArtifact(artifact, file.file_bytes, obstacles.get(quant, ""))


def synthetic_file(model: SyntheticModel, quant: str) -> SyntheticFile:
    """The file of a made-up model at a quant."""
    return SyntheticFile(f"synthetic-{model.like}", model.config, quant)


def _artifact(
    model: SyntheticModel, entry: ModelEntry, quant: str, file: SyntheticFile
) -> Artifact:
    inspection = file.inspection
    described = msgspec.structs.replace(
        inspection.model,
        name=entry.name or file.name,
        family="synthetic",
        source=model.source,
        revision=digest("synthetic", GENERATOR, dict(model.config)),
    )
    return Artifact(
        model=described, format=FORMAT, quant=quant, quantizer=GENERATOR, facts=inspection.facts
    )


def _requested_quants(
    sweep: Sweep, backends: Mapping[str, Backend], entry: ModelEntry
) -> tuple[str, ...]:
    wanted = entry.quants or sweep.quants
    if not wanted:
        raise InputError(f'{entry.source} has no quants; add quants = ["Q8_0", "Q4_K_M"]')
    if wanted == ALL:
        readers = [backend for backend in backends.values() if FORMAT in backend.formats]
        recipes = {name for backend in readers for name in backend.recipes()}
        return tuple(quant for quant in PRESETS if quant in recipes)
    for quant in wanted:
        if quant not in PRESETS:
            whose = "quants" if entry.quants else "the sweep's quants"
            raise InputError(
                f"{whose}: made-up weights are not stored in {quant!r}, only in llama.cpp's "
                f"presets. {did_you_mean(quant, PRESETS)}".rstrip()
            )
    return tuple(wanted)


def _duplicates(files: Mapping[str, SyntheticFile]) -> dict[str, str]:
    """Why a quant is left out, of those that come to the same tensors as another: of these the one
    with the fewest tensors that fall back to another type is written."""
    groups: dict[Sequence[str], list[str]] = {}
    for quant, file in files.items():
        groups.setdefault(tuple(stored.kind for stored in file.tensors), []).append(quant)
    obstacles: dict[str, str] = {}
    for group in groups.values():
        first, *others = sorted(group, key=lambda quant: (files[quant].fallbacks, quant))
        for quant in others:
            obstacles[quant] = f"same tensors as {first} for this model"
    return obstacles
