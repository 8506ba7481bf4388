"""The node's shelf of artifacts and reference distributions, by identity, made when missing."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from grid import wire
from grid.artifact import Artifact, ArtifactFacts
from grid.cache import cache_dir, write_whole
from grid.cell import Cell
from grid.errors import EngineDied, EngineError, EngineTimeout, InputError, OutOfMemory
from grid.identity import digest
from grid.measure.reference import REFERENCE_FORMAT
from grid.node import Node
from grid.plan.sources import source_folder
from grid.process import EngineProcess
from grid.registry import backend
from grid.schedule.events import Event, Observed, Prepared, Settings
from grid.units import format_bytes
from grid.workload import Quality


class Shelf:
    """Finds what a session needs on this node's disk and makes what is missing.

    Making happens in a process of its own, so that the process that is measured has done nothing
    else. A file appears under its name only when it is whole.
    """

    def __init__(self, node: Node, settings: Settings) -> None:
        self._node = node
        self._settings = settings
        self._maker: EngineProcess | None = None
        self._failed: dict[Path, EngineError] = {}

    def artifact(self, artifact: Artifact) -> Iterator[Event]:
        """Make the artifact unless it is there. Raises EngineError where it cannot be made."""
        if not self.path(artifact).exists():
            if artifact.path is not None:
                raise EngineError(f"{artifact.path} is gone since the plan was made")
            if artifact.made_from is not None:
                yield from self.artifact(artifact.made_from)
            yield from self._make(artifact)
        yield Observed(artifact_id=artifact.id, facts=self.facts(artifact))

    def path(self, artifact: Artifact) -> Path:
        """Where the artifact's file is, or will be."""
        if artifact.path is not None:
            return Path(artifact.path)
        folder = cache_dir() / "artifacts" / artifact.id
        return folder / f"weights.{artifact.format}"  # a model's name may hold anything

    def facts(self, artifact: Artifact) -> ArtifactFacts:
        """What is observed of the file; read once and kept beside it."""
        if artifact.facts is not None:
            return artifact.facts
        kept = self.path(artifact).with_name("facts.json")
        if kept.exists():
            return msgspec.json.decode(kept.read_bytes(), type=ArtifactFacts)
        try:
            facts = backend(artifact.backend).inspect(self.path(artifact)).facts
            write_whole(kept, msgspec.json.encode(facts))
        except (InputError, OSError) as error:
            raise EngineError(f"the artifact in the cache cannot be used: {error}") from error
        return facts

    def reference(self, cell: Cell, reference: Cell) -> Iterator[Event]:
        """Make the distribution that a quality cell compares with, unless it is there; `reference`
        is the cell of the 16-bit artifact that says by which engine and options."""
        target = self.reference_path(cell, reference)
        if target.exists():
            return
        yield from self.artifact(reference.artifact)
        load = wire.Load(
            backend=reference.backend,
            path=str(self.path(reference.artifact)),
            device=self._settings.device,
            options=reference.options,
            memory_limit=self._settings.memory_limit,
        )
        make = wire.MakeReference(workload=_quality(cell), target=str(target))
        try:
            yield self._timed("reference", reference.artifact.label, target, [load, make])
        finally:
            self.close()  # the model's memory goes back before anything is measured

    def reference_path(self, cell: Cell, reference: Cell) -> Path:
        """Named by all that decides its content, the engine's version included."""
        workload = _quality(cell)
        name = digest(
            "reference",
            REFERENCE_FORMAT,
            reference.artifact.id,
            reference.backend,
            reference.options,
            backend(reference.backend).probe(self._node).version,
            self._node.device_kind,
            workload.text_sha256,
            workload.context,
            workload.chunks,
        )
        return cache_dir() / "references" / f"{name}.npz"

    def close(self) -> None:
        """End the making process."""
        if self._maker is not None:
            self._maker.close()
            self._maker = None

    def _make(self, artifact: Artifact) -> Iterator[Event]:
        target = self.path(artifact)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EngineError(f"the cache takes no artifact: {error}") from error
        source = self.path(artifact.made_from) if artifact.made_from else _source(artifact)
        self._check_room(artifact, target.parent)
        request = wire.Quantize(
            backend=artifact.backend,
            source=str(source),
            recipe=artifact.quant,
            target=str(target),
            threads=self._node.cores,
        )
        yield self._timed("quantize", artifact.label, target, [request])

    def _check_room(self, artifact: Artifact, folder: Path) -> None:
        recipe = backend(artifact.backend).recipes()[artifact.quant]
        wanted = round(artifact.model.parameters * recipe.bits / 8)
        free = shutil.disk_usage(folder).free
        if wanted > free:
            raise EngineError(
                f"no room to make {artifact.label}: {format_bytes(wanted)} needed, "
                f"{format_bytes(free)} free in {folder}; set QUANTGRID_CACHE to a larger disk"
            )

    def _timed(self, what: str, label: str, target: Path, requests: list[wire.Request]) -> Prepared:
        """Make `target`. What failed once is not tried again in this sweep: it may take hours."""
        if target in self._failed:
            raise self._failed[target]
        start = time.perf_counter()
        engine_s = 0.0
        try:
            for request in requests:
                engine_s += self._ask(request).engine_s
        except EngineError as error:
            self._failed[target] = type(error)(str(error))
            raise
        return Prepared(
            what=what, label=label, wall_s=time.perf_counter() - start, engine_s=engine_s
        )

    def _ask(self, request: wire.Request) -> wire.Reply:
        if self._maker is None or not self._maker.alive:
            self._maker = EngineProcess()
        try:
            return self._maker.ask(request, self._settings.prepare_timeout_s)
        except (EngineTimeout, EngineDied, OutOfMemory):
            self.close()
            raise


def _quality(cell: Cell) -> Quality:
    if not isinstance(cell.workload, Quality):
        raise TypeError(f"{cell.label} compares with no reference")
    return cell.workload


def _source(artifact: Artifact) -> Path:
    """The folder of a model's own weights, for a conversion."""
    try:
        return source_folder(artifact.model.source)
    except InputError as error:
        raise EngineError(str(error)) from error
