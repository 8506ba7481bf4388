"""Runs sessions on one node, each in an engine's process; every cell gives a row, also where the
engine fails."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from pathlib import Path

import msgspec

from grid.cells.cell import Cell
from grid.cells.measurement import Measurement
from grid.cells.workload import Quality
from grid.engine.process import EngineProcess
from grid.errors import EngineError, InputError
from grid.hardware.node import Node
from grid.plan.order import Session
from grid.sweep.artifacts.content import ContentChanged
from grid.sweep.artifacts.peers import Peers
from grid.sweep.artifacts.store import ArtifactStore
from grid.sweep.events import CellStarted, Event, Prepared, Settings, cell_done
from grid.sweep.executors.session_engine import ALONE, ReferenceUse, SessionEngine
from grid.sweep.executors.task_scoring import TaskScoring
from grid.sweep.executors.time_limit import time_limit_s
from grid.sweep.not_run import failed


class Worker:
    """Runs sessions on one node. `run` yields the events of a session, one CellDone for each cell.

    The engine stays open after a session, for one that goes on with it.
    """

    def __init__(self, node: Node, settings: Settings, peers: Peers | None = None) -> None:
        self._node = node
        self._settings = settings
        self._store = ArtifactStore(node, settings, peers)
        self._engine: SessionEngine | None = None
        self._scoring = TaskScoring(settings)

    def run(self, session: Session) -> Iterator[Event]:
        process: EngineProcess | None = None
        try:
            if self._engine is not None and not self._engine.is_for(session):
                self._engine.close()  # never two models in memory at once
            yield from self._store.environment(session.backend)
            process = self._start_process(session)
            yield from self._store.artifact(session.artifact)
            engine = self._engine_for(session, process)
        except EngineError as error:
            if process is not None:
                process.close()
            self._release_artifacts()
            for cell in session.cells:
                yield cell_done(cell, failed(cell, error))
            return
        try:
            for cell in session.cells:
                yield from self._run_cell(engine, cell, session)
        finally:
            self._release_artifacts()

    def _release_artifacts(self) -> None:
        """What is used no longer may be evicted; the artifact of an open engine still is."""
        engine = self._engine
        self._store.end_session(engine.artifact if engine is not None and engine.is_open else None)

    def _start_process(self, session: Session) -> EngineProcess | None:
        """A process for the session's engine, which starts while its artifact is made; None where
        the engine is there."""
        if self._engine is not None and self._engine.is_for(session):
            return None
        interpreter = self._store.interpreter(session.backend)
        return EngineProcess(interpreter.python, interpreter.imports)

    def _engine_for(self, session: Session, process: EngineProcess | None) -> SessionEngine:
        """The engine of a session, the one that is open where that is it; else in `process`."""
        path = str(self._store.path(session.artifact))
        if self._engine is not None and self._engine.path != path:
            self._engine.close()  # another copy of the same took its place
            self._engine = None
        if self._engine is None or not self._engine.is_for(session):
            interpreter = self._store.interpreter(session.backend)
            device = self._store.device(session.backend)
            self._engine = SessionEngine(
                session, path, interpreter, device, self._settings, process
            )
        return self._engine

    def close(self) -> None:
        """End all processes."""
        if self._engine is not None:
            self._engine.close()
        self._scoring.close()
        self._store.close()

    def _run_cell(self, engine: SessionEngine, cell: Cell, session: Session) -> Iterator[Event]:
        if not cell.exclusive:
            self._store.pause_transfers(False)  # else two nodes could wait for what the other has
        yield CellStarted(cell_id=cell.id, label=cell.label)
        started = time.time()
        try:
            local = yield from self._store.localised(cell)
            yield from self._scoring.begin(local)
        except EngineError as error:
            yield cell_done(cell, failed(cell, error, started))
            return
        if isinstance(cell.workload, Quality) and session.reference is not None:
            try:
                local, measurement = yield from self._compare(
                    engine, local, session, session.reference, cell.id in session.noise
                )
            except EngineError as error:
                reason = type(error)(f"the reference pass failed: {error}")
                yield cell_done(cell, failed(cell, reason, started))
                return
        else:
            measurement = yield from self._attempt(engine, local)
        measured = self._scoring.score(local, measurement)
        yield cell_done(cell, _of_cell(cell, local, measured))

    def _compare(
        self, engine: SessionEngine, local: Cell, session: Session, reference: Cell, noise: bool
    ) -> Generator[Event, None, tuple[Cell, Measurement]]:
        """The localised cell with the text that it scored, and its measurement. A session that is
        itself the reference scores its text once, for its own row and for the distribution; where
        the sweep was ended between the two, the file is there and the row is measured against it.
        Raises EngineError where there is no reference."""
        yield from self._store.environment(reference.backend)
        if isinstance(local.workload, Quality) and local.workload.prompts_sha256:
            local = yield from self._store.written_text(local, reference, engine.release_memory)
        path = str(self._store.reference_path(local, reference))
        attempts: list[Measurement] = []

        def score() -> Iterator[Event]:
            attempts.append((yield from self._attempt(engine, local, ReferenceUse(target=path))))
            if attempts[-1].status != "ok":
                Path(path).unlink(missing_ok=True)  # it may be of weights that were damaged
                raise EngineError(attempts[-1].reason)
            label, wall_s = session.artifact.label, attempts[-1].wall_s
            yield Prepared(what="reference", label=label, wall_s=wall_s, engine_s=0.0)

        try:
            yield from self._store.reference(
                local, reference, engine.release_memory, score if session.is_reference else None
            )
        except EngineError:
            if not attempts:
                raise
        if not attempts:
            use = ReferenceUse(reference=path, probes_noise=noise)
            attempts.append((yield from self._attempt(engine, local, use)))
        return local, attempts[-1]

    def _attempt(
        self, engine: SessionEngine, local: Cell, use: ReferenceUse = ALONE
    ) -> Generator[Event, None, Measurement]:
        """Every failure becomes a measurement: other cells and sessions go on."""
        self._store.pause_transfers(local.exclusive)
        started = time.time()
        try:
            limit_s = time_limit_s(local, self._node, self._settings, Path(engine.path))
            try:
                content = self._store.content(local.artifact)
                return (yield from engine.attempt(local, use, limit_s, content))
            except ContentChanged as changed:
                if use.target is not None:
                    Path(use.target).unlink(missing_ok=True)  # of other weights
                yield from self._store.renew(local.artifact, changed)
                engine.reload()
                content = self._store.content(local.artifact)
                return (yield from engine.attempt(local, use, limit_s, content))
        except EngineError as error:
            return failed(local, error, started)
        except InputError as error:  # the items that it reads are gone
            return failed(local, EngineError(str(error)), started)


def _of_cell(cell: Cell, local: Cell, measured: Measurement) -> Measurement:
    """The measurement under the planned cell's id, with the content of a text that was written
    while the sweep ran."""
    if cell.id == local.id or not isinstance(local.workload, Quality):
        return measured
    facts = {**measured.environment, "written_text": local.workload.text_sha256}
    return msgspec.structs.replace(measured, cell_id=cell.id, environment=facts)
