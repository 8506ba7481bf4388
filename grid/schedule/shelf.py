"""The node's shelf of artifacts and reference distributions, by identity, made when missing."""

from __future__ import annotations

import queue
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from grid import wire
from grid.artifact import Artifact, ArtifactFacts
from grid.backend import Calibration
from grid.cache import cache_dir, write_whole
from grid.cell import Cell
from grid.environments import Interpreter, device_of, engine_version, found, made
from grid.errors import EngineDied, EngineError, EngineTimeout, InputError, OutOfMemory
from grid.identity import digest
from grid.measure.reference import REFERENCE_FORMAT
from grid.node import Node
from grid.plan.origin import BUNDLED, HUB, source_folder
from grid.process import EngineProcess
from grid.registry import backend
from grid.schedule.events import BEGINS, Event, Observed, Prepared, Preparing, Settings
from grid.texts import read_text
from grid.units import format_bytes
from grid.workload import Quality

FACTS_FORMAT = 2
"""Raised whenever the same weights would be described otherwise: kept facts are then read anew."""

TOLD_EVERY_S = 1.0
"""Seconds between two lines of what an installer or a download says."""

_Making = wire.Load | wire.MakeReference | wire.Quantize


class Shelf:
    """Finds what a session needs on this node's disk and makes what is missing.

    Making happens in a process of its own, so that the process that is measured has done nothing
    else. A file appears under its name only when it is whole.
    """

    def __init__(self, node: Node, settings: Settings) -> None:
        self._node = node
        self._settings = settings
        self._maker: EngineProcess | None = None
        self._maker_backend = ""
        self._failed: dict[str, EngineError] = {}
        self._fetched: dict[str, Path] = {}

    def environment(self, name: str) -> Iterator[Event]:
        """Make the backend's environment unless it is there. Raises EngineError, and again without
        another try in this sweep."""
        if found(name, self._node) is not None:
            return
        key = f"environment {name}"
        if key in self._failed:
            raise self._failed[key]
        start = time.perf_counter()
        try:
            yield from _told("environment", name, lambda say: made(name, self._node, say))
        except EngineError as error:
            self._failed[key] = error
            raise
        wall_s = time.perf_counter() - start
        yield Prepared(what="environment", label=name, wall_s=wall_s, engine_s=0.0)

    def interpreter(self, name: str) -> Interpreter:
        """Of a backend's environment, which is there."""
        return made(name, self._node)

    def device(self, name: str) -> str:
        """Where a backend computes on this node."""
        return self._settings.device or device_of(name, self._node)

    def artifact(self, artifact: Artifact) -> Iterator[Event]:
        """Fetch or make the artifact unless it is there. Raises EngineError where it cannot be."""
        if is_remote(artifact):
            yield from self._fetch(artifact)
        elif not self.path(artifact).exists():
            if artifact.path is not None or artifact.made_from is None:
                raise EngineError(f"{artifact.path} is gone since the plan was made")
            yield from self.artifact(artifact.made_from)
            yield from self._make(artifact)
        yield Observed(artifact_id=artifact.id, facts=self.facts(artifact))

    def path(self, artifact: Artifact) -> Path:
        """Where the artifact's file or folder is, or will be."""
        if artifact.made_from is None and artifact.model.source.startswith(BUNDLED):
            return source_folder(artifact.model.source)  # wherever this node has the package
        if artifact.path is not None:
            return Path(artifact.path)
        if is_remote(artifact):
            return self._fetched[artifact.id]
        folder = cache_dir() / "artifacts" / artifact.id
        return folder / f"weights.{artifact.format}"  # a model's name may hold anything

    def _fetch(self, artifact: Artifact) -> Iterator[Event]:
        if artifact.id in self._fetched:
            return
        key = f"fetch {artifact.id}"
        if key in self._failed:
            raise self._failed[key]
        start, source = time.perf_counter(), artifact.model.source
        paths: list[Path] = []
        try:
            yield from _told("fetch", artifact.label, lambda say: paths.append(_get(source, say)))
        except (EngineError, InputError) as error:
            self._failed[key] = EngineError(str(error))
            raise self._failed[key] from error
        self._fetched[artifact.id] = paths[0]
        wall_s = time.perf_counter() - start
        yield Prepared(what="fetch", label=artifact.label, wall_s=wall_s, engine_s=0.0)

    def facts(self, artifact: Artifact) -> ArtifactFacts:
        """What is observed of the file; read once and kept beside it."""
        if artifact.facts is not None:
            return artifact.facts
        kept = self.path(artifact).with_name(f"facts-{FACTS_FORMAT}.json")
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
        yield from self.environment(reference.backend)
        yield from self.artifact(reference.artifact)
        load = wire.Load(
            backend=reference.backend,
            path=str(self.path(reference.artifact)),
            device=self.device(reference.backend),
            options=reference.options,
            memory_limit=self._settings.memory_limit,
        )
        make = wire.MakeReference(workload=_quality(cell), target=str(target))
        try:
            label = reference.artifact.label
            yield self._timed("reference", label, reference.backend, target, [load, make])
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
            engine_version(reference.backend, self._node),
            reference.device_kind or self._node.device_kind,
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
            self._maker_backend = ""

    def _make(self, artifact: Artifact) -> Iterator[Event]:
        target = self.path(artifact)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EngineError(f"the cache takes no artifact: {error}") from error
        assert artifact.made_from is not None
        yield from self.environment(artifact.backend)
        self._check_room(artifact, target.parent)
        request = wire.Quantize(
            backend=artifact.backend,
            source=str(self.path(artifact.made_from)),
            recipe=artifact.quant,
            target=str(target),
            threads=self._node.cores,
            calibration=self._calibration() if artifact.calibration else None,
            device=self.device(artifact.backend),
        )
        with _alone(artifact.id):  # another sweep on this node may be making it
            if not target.exists():
                _remove_remains(target)
                yield self._timed("quantize", artifact.label, artifact.backend, target, [request])

    def _calibration(self) -> Calibration | None:
        """The calibration set with its text as a file of this node."""
        given = self._settings.calibration
        if given is None:
            return None
        text = read_text(given.path)
        if text.sha256 != given.sha256:
            raise EngineError(f"calibration text {given.path} changed since the plan was made")
        path = cache_dir() / "texts" / f"{given.sha256}.txt"
        if not path.exists():
            write_whole(path, text.text.encode())
        return msgspec.structs.replace(given, path=str(path))

    def _check_room(self, artifact: Artifact, folder: Path) -> None:
        recipe = backend(artifact.backend).recipes()[artifact.quant]
        wanted = round(artifact.model.parameters * recipe.bits / 8)
        free = shutil.disk_usage(folder).free
        if wanted > free:
            raise EngineError(
                f"no room to make {artifact.label}: {format_bytes(wanted)} needed, "
                f"{format_bytes(free)} free in {folder}; set QUANTGRID_CACHE to a larger disk"
            )

    def _timed(
        self, what: str, label: str, name: str, target: Path, requests: list[_Making]
    ) -> Prepared:
        """Make `target` in the backend `name`. What failed once is not tried again in this sweep:
        it may take hours."""
        if str(target) in self._failed:
            raise self._failed[str(target)]
        start = time.perf_counter()
        engine_s = 0.0
        try:
            for request in requests:
                engine_s += self._ask(name, request).engine_s
        except EngineError as error:
            self._failed[str(target)] = type(error)(str(error))
            raise
        return Prepared(
            what=what, label=label, wall_s=time.perf_counter() - start, engine_s=engine_s
        )

    def _ask(self, name: str, request: _Making) -> wire.Loaded | wire.Made:
        if self._maker is None or not self._maker.alive or self._maker_backend != name:
            self.close()
            interpreter = self.interpreter(name)
            self._maker = EngineProcess(interpreter.python, interpreter.imports)
            self._maker_backend = name
        try:
            reply = self._maker.ask(request, self._settings.prepare_timeout_s)
        except (EngineTimeout, EngineDied, OutOfMemory):
            self.close()
            raise
        assert isinstance(reply, wire.Loaded | wire.Made)
        return reply


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """While no other process of this node is here for the same thing."""
    from filelock import FileLock

    folder = cache_dir() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{name}.lock"):
        yield


def _remove_remains(target: Path) -> None:
    """What a maker that was killed has left: gigabytes that nobody would ever find."""
    for remains in target.parent.glob(f".{target.name}*"):
        if remains.is_dir():
            shutil.rmtree(remains, ignore_errors=True)
        else:
            remains.unlink(missing_ok=True)


def is_remote(artifact: Artifact) -> bool:
    """True for weights of a hub, which each node fetches for itself."""
    given = artifact.path is None and artifact.made_from is None
    return given and artifact.model.source.startswith(HUB)


def _get(source: str, say: Callable[[str], None]) -> Path:
    from grid import hub

    def progress(done: int, total: int) -> None:
        say(f"{format_bytes(done)} of {format_bytes(total)}")

    return hub.obtain(source, progress)


def _told(
    what: str, label: str, work: Callable[[Callable[[str], None]], object]
) -> Iterator[Event]:
    """Runs `work` in a thread and yields what it says, at most once a second; its error is raised
    here."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work(lines.put)
        except BaseException as error:
            failed.append(error)
        lines.put(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    last = 0.0
    yield Preparing(what=what, label=label, line=BEGINS)
    while (line := lines.get()) is not None:
        if time.monotonic() - last >= TOLD_EVERY_S:
            last = time.monotonic()
            yield Preparing(what=what, label=label, line=line)
    thread.join()
    if failed:
        raise failed[0]


def _quality(cell: Cell) -> Quality:
    if not isinstance(cell.workload, Quality):
        raise TypeError(f"{cell.label} compares with no reference")
    return cell.workload
