"""The node's store of artifacts and reference distributions, which it finds, fetches or makes."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec

from grid.backend import Calibration, ComposesRecipes, inspect_gguf
from grid.backend.registry import backend
from grid.cache import cache_dir, write_atomically
from grid.cells.cell import Cell
from grid.cells.texts import read_text
from grid.cells.workload import Quality
from grid.engine import messages
from grid.engine.environments import (
    Interpreter,
    device_of,
    engine_version,
    ensure_environment,
    find_interpreter,
)
from grid.engine.measure.reference import REFERENCE_FORMAT, reference_row_bytes
from grid.engine.measure.written_text import WRITTEN_TEXT_FORMAT
from grid.errors import EngineError, InputError
from grid.hardware.node import Node
from grid.models.artifact import Artifact, ArtifactFacts
from grid.models.identity import digest
from grid.plan.origin import source_folder
from grid.plan.synthetic import is_synthetic
from grid.sweep.artifacts.background import run_in_background
from grid.sweep.artifacts.content import ContentChanged, ContentCheck, ContentChecks
from grid.sweep.artifacts.discard import discard
from grid.sweep.artifacts.eviction import cache_limit
from grid.sweep.artifacts.inputs import (
    Inputs,
    cached_artifact,
    is_as_planned,
    is_bundled,
    is_remote,
)
from grid.sweep.artifacts.maker import Maker
from grid.sweep.artifacts.obtain import CachedItem, Sharing, existing, lock_item
from grid.sweep.artifacts.offers import slug
from grid.sweep.artifacts.peers import Peers
from grid.sweep.artifacts.remote_weights import RemoteWeights
from grid.sweep.artifacts.synthetic import obtain_synthetic
from grid.sweep.events import Event, Notice, Observed, Prepared, Settings

FACTS_FORMAT = 2
"""Raised whenever the same weights would be described otherwise: kept facts are then read anew."""

PAUSE_SPARE_S = 60.0
"""Seconds beside a cell's time limit after which peers are given files again in any case."""


class ArtifactStore:
    """Finds what a session needs on this node's disk, takes it from `peers`, or makes it.

    Making happens in a process of its own, so that the process that is measured has done nothing
    else. A file appears under its name only when it is whole. What a session uses is kept from
    eviction until `done`. Raises InputError where the cache's limit is set to no size.
    """

    def __init__(self, node: Node, settings: Settings, peers: Peers | None = None) -> None:
        cache_limit()
        self._node = node
        self._settings = settings
        self._failed: dict[str, EngineError] = {}
        self._maker = Maker(self.interpreter, settings.prepare_timeout_s)
        self._sharing = Sharing(peers)
        self._unshared = Sharing(None)
        self._remote = RemoteWeights(self._sharing, self._unshared)
        self._inputs = Inputs(self._sharing)
        self._checks = ContentChecks()

    def environment(self, name: str) -> Iterator[Event]:
        """Make the backend's environment unless it is there. Raises EngineError, and again without
        another try in this sweep."""
        if find_interpreter(name, self._node) is not None:
            return
        key = f"environment {name}"
        if key in self._failed:
            raise self._failed[key]
        start = time.perf_counter()
        try:
            yield from run_in_background(
                "environment", name, lambda say: ensure_environment(name, self._node, say)
            )
        except EngineError as error:
            self._failed[key] = error
            raise
        wall_s = time.perf_counter() - start
        yield Prepared(what="environment", label=name, wall_s=wall_s, engine_s=0.0)

    def interpreter(self, name: str) -> Interpreter:
        """The interpreter of a backend's environment, which exists."""
        return ensure_environment(name, self._node)

    def device(self, name: str) -> str:
        """Where a backend computes on this node."""
        return self._settings.device or device_of(name, self._node)

    def artifact(self, artifact: Artifact) -> Iterator[Event]:
        """Find, fetch or make the artifact. Raises EngineError where it cannot be had."""
        item = cached_artifact(artifact)
        if is_bundled(artifact):
            if not self.path(artifact).exists():
                raise EngineError(f"{self.path(artifact)} is gone since the plan was made")
        elif is_remote(artifact):
            yield from self._remote.obtain(item, artifact)
        elif artifact.path is not None:
            find = lambda: self._find_users_own(item, artifact)  # noqa: E731
            yield from self._sharing.obtain(item, find, None)
        elif is_synthetic(artifact):
            yield from obtain_synthetic(self._unshared, item, artifact)
        else:
            make = lambda: self._make(artifact, item)  # noqa: E731
            yield from self._sharing.obtain(item, lambda: existing(item.path), make)
        yield Observed(artifact_id=artifact.id, facts=self.facts(artifact))

    def path(self, artifact: Artifact) -> Path:
        """Where the artifact's file or folder is, or will be."""
        if is_bundled(artifact):
            return source_folder(artifact.model.source)  # wherever this node has the package
        item = cached_artifact(artifact)
        place = self._sharing.place(item.key) or self._unshared.place(item.key)
        return place or Path(artifact.path or item.path)

    def facts(self, artifact: Artifact) -> ArtifactFacts:
        """What is observed of the file; read once and kept beside it."""
        if artifact.facts is not None and artifact.facts.sha256:
            return artifact.facts
        facts_file = self.path(artifact).with_name(f"facts-{FACTS_FORMAT}.json")
        with suppress(OSError, msgspec.MsgspecError):  # absent, or damaged
            return msgspec.json.decode(facts_file.read_bytes(), type=ArtifactFacts)
        try:
            inspect = backend(artifact.backend).inspect if artifact.backend else inspect_gguf
            facts = inspect(self.path(artifact)).facts
            write_atomically(facts_file, msgspec.json.encode(facts))
        except (InputError, OSError) as error:
            raise EngineError(f"the artifact in the cache cannot be used: {error}") from error
        return facts

    def content(self, artifact: Artifact) -> ContentCheck:
        """The check that the artifact's files hold what rows say of them."""
        return self._checks.of(self.path(artifact), self.facts(artifact).sha256)

    def renew(self, artifact: Artifact, changed: ContentChanged) -> Iterator[Event]:
        """Make or fetch an artifact again whose files changed on disk. Raises EngineError where
        they are not ours to replace."""
        item = cached_artifact(artifact)
        discard(artifact, item, self.path(artifact), changed)
        self._sharing.forget(item.key)
        remedy = "fetched again" if is_remote(artifact) else "made again"
        yield Notice(text=f"{artifact.label}: {changed}; it is {remedy}")
        yield from self.artifact(artifact)

    def localised(self, cell: Cell) -> Generator[Event, None, Cell]:
        """The same cell, with texts and items that this node can read. Raises EngineError."""
        return (yield from self._inputs.cell(cell))

    def reference(
        self,
        cell: Cell,
        reference: Cell,
        close_engine: Callable[[], None] | None = None,
        score: Callable[[], Iterator[Event]] | None = None,
    ) -> Iterator[Event]:
        """Have the distribution that a quality cell compares with; `reference` is the cell of the
        16-bit artifact that says by which engine and options. `close_engine` is called before a
        model is loaded for it; with `score`, an open engine writes it instead. Raises
        EngineError."""
        target = self.reference_path(cell, reference)
        item = CachedItem(
            f"reference/{target.stem}",
            f"reference of {reference.artifact.label}",
            target.parent,
            target.name,
        )
        make = lambda: self._make_reference(cell, reference, item, close_engine, score)  # noqa: E731
        yield from self._sharing.obtain(item, lambda: existing(target), make)

    def written_text(
        self, cell: Cell, reference: Cell, close_engine: Callable[[], None] | None = None
    ) -> Generator[Event, None, Cell]:
        """The same cell with the text that the 16-bit artifact writes to its prompts, which is made
        once for all of its quants and kept; `cell` is a localised one. Raises EngineError."""
        workload = _quality(cell)
        name = digest(
            "written text",
            WRITTEN_TEXT_FORMAT,
            *self._computed_by(reference),
            workload.prompts_sha256,
            workload.answer_tokens,
        )
        target = cache_dir() / "texts" / f"written-{name}.jsonl"
        item = CachedItem(
            f"text/{target.stem}",
            f"text written by {reference.artifact.label}",
            target.parent,
            target.name,
        )
        request = messages.WriteText(
            workload=workload,
            target=str(item.path),
            context_length=reference.artifact.model.context_length,
        )
        make = lambda: self._make_with(reference, request, "text", item, 0, close_engine)  # noqa: E731
        yield from self._sharing.obtain(item, lambda: existing(target), make)
        text = read_text(str(target))
        ready = msgspec.structs.replace(
            workload, text=text.source, text_sha256=text.sha256, prompts_sha256="", answer_tokens=0
        )
        return msgspec.structs.replace(cell, workload=ready)

    def _computed_by(self, reference: Cell) -> tuple[object, ...]:
        """All of a reference that decides what comes of it."""
        return (
            reference.artifact.id,
            reference.backend,
            reference.options,
            engine_version(reference.backend, self._node),
            reference.device_kind or self._node.device_kind,
        )

    def reference_path(self, cell: Cell, reference: Cell) -> Path:
        """Path of the distribution; its name depends on all that decides its content, the engine's
        version included."""
        workload = _quality(cell)
        name = digest(
            "reference",
            REFERENCE_FORMAT,
            *self._computed_by(reference),
            workload.text_sha256,
            workload.context,
            workload.chunks,
            *(("chat",) if workload.chat else ()),  # else the name is as before there was any
        )
        return cache_dir() / "references" / f"{name}.npz"

    def pause_transfers(self, exclusive: bool) -> None:
        """Call before each cell: peers are served nothing while an exclusive one is measured."""
        self._sharing.pause_transfers(
            self._settings.cell_timeout_s + PAUSE_SPARE_S if exclusive else 0.0
        )

    def end_session(self, still_open: Artifact | None = None) -> None:
        """The session is over: what it used may be evicted, except for the artifact of an engine
        that stays open, and peers are given files again."""
        self._sharing.pause_transfers(0.0)
        in_use = () if still_open is None else (cached_artifact(still_open).key,)
        self._sharing.release_unused(in_use)
        self._unshared.release_unused(in_use)

    def close(self) -> None:
        """End the making process."""
        self.end_session()
        self._maker.close()

    def _find_users_own(self, item: CachedItem, artifact: Artifact) -> Path | None:
        """The user's own file or the copy of it. On another node than the one that planned the
        same path may lead to anything."""
        candidates = (path for path in (Path(item.source), item.path) if path.exists())
        if self._sharing.shared:
            candidates = (path for path in candidates if is_as_planned(artifact, path))
        return next(candidates, None)

    def _make(self, artifact: Artifact, item: CachedItem) -> Generator[Event, None, Path]:
        source = artifact.made_from
        if source is None:
            raise EngineError(f"{artifact.label} has no source that it is made from")
        yield from self.artifact(source)
        yield from self.environment(artifact.backend)
        size = round(artifact.model.parameters * _nominal_bits(artifact) / 8)
        request = messages.Quantize(
            backend=artifact.backend,
            source=str(self.path(source)),
            recipe=artifact.recipe_name,
            target=str(item.path),
            threads=self._node.cores,
            calibration=(yield from self._calibration(artifact)),
            device=self.device(artifact.backend),
        )
        with lock_item(slug(item.key)):  # another sweep on this node may be making it
            if not item.path.exists():
                self._sharing.make_room(size, artifact.label)
                make = partial(
                    self._maker.make,
                    *("quantize", artifact.label, artifact.backend, item.path, [request]),
                )
                yield from self._make_checked(source, item.path, make)
        return item.path

    def _make_checked(
        self, source: Artifact, target: Path, make: Callable[[], Iterator[Event]]
    ) -> Iterator[Event]:
        """Make a file of an artifact whose content is checked meanwhile: once more where that had
        changed on disk."""
        content = self.content(source)
        content.start()
        try:
            try:
                yield from make()
            finally:
                content.wait()
        except ContentChanged as changed:
            self._maker.forget(target)
            yield from self.renew(source, changed)
            yield from make()

    def _calibration(self, artifact: Artifact) -> Generator[Event, None, Calibration | None]:
        """What the artifact's recipe weighs errors by, as files of this node."""
        if artifact.matrix:
            return (yield from self._inputs.matrix(artifact))
        calibration = self._settings.calibration if artifact.calibration else None
        return None if calibration is None else (yield from self._inputs.calibration(calibration))

    def _make_reference(
        self,
        cell: Cell,
        reference: Cell,
        item: CachedItem,
        close_engine: Callable[[], None] | None,
        score: Callable[[], Iterator[Event]] | None,
    ) -> Generator[Event, None, Path]:
        size = _reference_bytes(cell, reference)
        if score is not None:
            with lock_item(slug(item.key)):  # another sweep on this node may be making it
                if not item.path.exists():
                    self._sharing.make_room(size, f"the reference of {reference.artifact.label}")
                    yield from score()
            return item.path
        local = yield from self.localised(cell)
        request = messages.MakeReference(workload=_quality(local), target=str(item.path))
        return (
            yield from self._make_with(reference, request, "reference", item, size, close_engine)
        )

    def _make_with(
        self,
        reference: Cell,
        request: messages.MakeReference | messages.WriteText,
        what: str,
        item: CachedItem,
        size: int,
        close_engine: Callable[[], None] | None,
    ) -> Generator[Event, None, Path]:
        """Have the 16-bit artifact's engine make a file of at most `size` bytes."""
        yield from self.environment(reference.backend)
        yield from self.artifact(reference.artifact)
        load = messages.Load(
            backend=reference.backend,
            path=str(self.path(reference.artifact)),
            device=self.device(reference.backend),
            options=reference.options,
            memory_limit=self._settings.memory_limit,
        )
        label = reference.artifact.label
        with lock_item(slug(item.key)):
            if not item.path.exists():
                self._sharing.make_room(size, f"the {what} of {label}")
                if close_engine is not None:
                    close_engine()  # never two models in memory at once
                try:
                    make = partial(
                        self._maker.make,
                        *(what, label, reference.backend, item.path, [load, request]),
                    )
                    yield from self._make_checked(reference.artifact, item.path, make)
                finally:
                    self._maker.close()  # its memory goes back before anything is measured
        return item.path


def _nominal_bits(artifact: Artifact) -> float:
    """Bits a weight of the recipe that makes the artifact."""
    maker = backend(artifact.backend)
    recipe = maker.recipes().get(artifact.recipe_name)
    if recipe is None and isinstance(maker, ComposesRecipes):
        recipe = maker.read_recipe(artifact.recipe_name)
    if recipe is None:
        raise EngineError(f"{artifact.backend} has no recipe {artifact.recipe_name!r}")
    return recipe.bits


def _quality(cell: Cell) -> Quality:
    if not isinstance(cell.workload, Quality):
        raise TypeError(f"{cell.label} compares with no reference")
    return cell.workload


def _reference_bytes(cell: Cell, reference: Cell) -> int:
    """Most that the file takes: a row for each token of the second half of each chunk."""
    workload, vocabulary = _quality(cell), reference.artifact.model.vocabulary
    return workload.chunks * workload.context // 2 * (reference_row_bytes(vocabulary) + 64)
