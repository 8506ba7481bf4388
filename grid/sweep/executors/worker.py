"""Runs sessions on one node: an engine's process for each, and a row for every cell whatever
happens to it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import cast

import msgspec

from grid.backend.registry import backend
from grid.cells.cell import Cell, Options
from grid.cells.measurement import Measurement, Status
from grid.cells.workload import Memory, Quality, kind
from grid.engine import messages
from grid.engine.environments import Interpreter
from grid.engine.process import EngineProcess
from grid.errors import EngineError, OutOfMemory
from grid.hardware.node import Node
from grid.plan.order import Session
from grid.sweep.artifacts.peers import Peers
from grid.sweep.artifacts.store import Shelf
from grid.sweep.events import CellStarted, Event, Settings, cell_done
from grid.sweep.not_run import pruned

LOADS = 3
"""Times that a session's artifact is loaded; where its process then died or was killed for time as
often, the rest of its cells fail."""


class Worker:
    """Runs sessions on one node. `run` yields the events of a session, one CellDone for each cell.

    The engine stays open after a session, for one that goes on with it.
    """

    def __init__(self, node: Node, settings: Settings, peers: Peers | None = None) -> None:
        self._node = node
        self._settings = settings
        self._shelf = Shelf(node, settings, peers)
        self._engine: SessionEngine | None = None

    def run(self, session: Session) -> Iterator[Event]:
        try:
            if self._engine is not None and not self._engine.is_for(session):
                self._engine.close()  # never two models in memory at once
            yield from self._shelf.environment(session.backend)
            yield from self._shelf.artifact(session.artifact)
            engine = self._engine_for(session)
        except EngineError as error:
            self._done()
            for cell in session.cells:
                yield cell_done(cell, _failure(cell, time.time(), error))
            return
        try:
            for cell in session.cells:
                yield from self._cell(engine, cell, session.reference)
        finally:
            self._done()

    def _done(self) -> None:
        """What is used no longer may be evicted; the artifact of an open engine still is."""
        engine = self._engine
        self._shelf.done(engine.artifact if engine is not None and engine.open else None)

    def _engine_for(self, session: Session) -> SessionEngine:
        """The engine of a session, the one that is open where that is it."""
        path = str(self._shelf.path(session.artifact))
        if self._engine is not None and self._engine.path != path:
            self._engine.close()  # another copy of the same took its place
            self._engine = None
        if self._engine is None or not self._engine.is_for(session):
            interpreter = self._shelf.interpreter(session.backend)
            device = self._shelf.device(session.backend)
            self._engine = SessionEngine(session, path, interpreter, device, self._settings)
        return self._engine

    def close(self) -> None:
        """End both processes."""
        if self._engine is not None:
            self._engine.close()
        self._shelf.close()

    def _cell(self, engine: SessionEngine, cell: Cell, reference: Cell | None) -> Iterator[Event]:
        if not cell.exclusive:
            self._shelf.quiet(False)  # else two nodes could wait for what the other has
        yield CellStarted(cell_id=cell.id, label=cell.label)
        started = time.time()
        path = None
        try:
            local = yield from self._shelf.localised(cell)
        except EngineError as error:
            yield cell_done(cell, _failure(cell, started, error))
            return
        if isinstance(cell.workload, Quality) and reference is not None:
            try:
                yield from self._shelf.environment(reference.backend)
                path = str(self._shelf.reference_path(cell, reference))
                yield from self._shelf.reference(cell, reference, engine.release_memory)
            except EngineError as error:
                reason = type(error)(f"the reference pass failed: {error}")
                yield cell_done(cell, _failure(cell, started, reason))
                return
        self._shelf.quiet(cell.exclusive)
        yield cell_done(cell, engine.attempt(local, path))


class SessionEngine:
    """A session's engine, held open for all its cells and loaded again if it dies."""

    def __init__(
        self,
        session: Session,
        path: str,
        interpreter: Interpreter,
        device: str,
        settings: Settings,
    ) -> None:
        self._key = _engine_key(session)
        self.artifact = session.artifact
        self.path = path
        self._settings = settings
        self._interpreter = interpreter
        self._load = messages.Load(
            backend=session.backend,
            path=path,
            device=device,
            options=session.options,
            memory_limit=settings.memory_limit,
        )
        self._process: EngineProcess | None = None
        self._loaded: messages.Loaded | None = None
        self._loads_left = LOADS
        self._load_error: EngineError | None = None
        self._out_of_memory: dict[str, int] = {}

    def is_for(self, session: Session) -> bool:
        """Whether the session goes on with this engine."""
        return self._key == _engine_key(session)

    @property
    def open(self) -> bool:
        """Whether its process is there, with the artifact's files mapped into memory perhaps."""
        return self._process is not None

    def attempt(self, cell: Cell, reference: str | None) -> Measurement:
        """Run one cell; every failure becomes a measurement with its status and reason."""
        started, clock = time.time(), time.perf_counter()
        engine_s = 0.0
        limit = self._out_of_memory.get(kind(cell.workload))
        if limit is not None and 0 < limit <= cell.workload.size:
            return pruned(cell, limit)
        try:
            process, engine_s = self._ready(fresh=isinstance(cell.workload, Memory))
            raw = self._measure(process, cell, reference)
        except EngineError as error:
            return msgspec.structs.replace(
                _failure(cell, started, error),
                wall_s=time.perf_counter() - clock,
                engine_s=engine_s + error.engine_s,
                engine_version=self._loaded.engine_version if self._loaded else "",
                environment=self._loaded.environment if self._loaded else {},
            )
        assert self._loaded is not None
        return Measurement(
            cell_id=cell.id,
            status="ok",
            started_at=started,
            wall_s=time.perf_counter() - clock,
            engine_s=engine_s + raw.engine_s,
            engine_version=self._loaded.engine_version,
            scalars=raw.scalars,
            series=raw.series,
            items=raw.items,
            environment={**self._loaded.environment, **raw.environment},
        )

    def close(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None

    def release_memory(self) -> None:
        """Give the memory back for now; the next cell loads again."""
        if self._process is not None and self._process.alive:
            self._loads_left += 1  # asked for, not a crash
        self.close()

    def _measure(self, process: EngineProcess, cell: Cell, reference: str | None) -> messages.Raw:
        request = messages.Measure(
            workload=cell.workload, kv_bytes=_kv_bytes(cell), reference=reference
        )
        try:
            raw = process.ask(request, self._settings.cell_timeout_s)
        except OutOfMemory:
            self._out_of_memory[kind(cell.workload)] = cell.workload.size
            raise
        assert isinstance(raw, messages.Raw)
        return raw

    def _ready(self, fresh: bool) -> tuple[EngineProcess, float]:
        """The process with the artifact loaded, and the engine time that loading took now.

        Raises the error of a load that failed before: it would fail again, and each try costs
        minutes on a large model.
        """
        if self._load_error is not None:
            raise self._load_error
        if self._process is not None and self._process.alive:
            if not fresh or self._process.loaded_only:
                return self._process, 0.0
            self.release_memory()
        if self._loads_left == 0:
            raise EngineError(f"the engine's process ended {LOADS} times in this session; gave up")
        self.close()
        self._loads_left -= 1
        self._process = EngineProcess(self._interpreter.python, self._interpreter.imports)
        try:
            loaded = self._process.ask(self._load, self._settings.cell_timeout_s)
        except EngineError as error:
            self._load_error = type(error)(f"loading failed: {error}")
            failure = type(error)(str(self._load_error))
            failure.engine_s = error.engine_s
            raise failure from error
        assert isinstance(loaded, messages.Loaded)
        self._loaded = loaded
        return self._process, loaded.engine_s


def _engine_key(session: Session) -> tuple[str, str, Options]:
    return session.artifact.id, session.backend, session.options


def _failure(cell: Cell, started: float, error: EngineError) -> Measurement:
    status = cast(Status, error.status)
    return Measurement(cell_id=cell.id, status=status, reason=str(error), started_at=started)


def _kv_bytes(cell: Cell) -> int:
    """Predicted bytes of the cell's KV cache, through the backend's own option names."""
    return backend(cell.backend).needs(cell.artifact, 0, cell.options, cell.workload).kv_bytes
