"""Runs sessions on one node, each in an engine's process; every cell gives a row, also where the
engine fails."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from grid.cells.cell import Cell
from grid.cells.measurement import Measurement
from grid.cells.workload import Quality
from grid.errors import EngineError
from grid.hardware.node import Node
from grid.plan.order import Session
from grid.sweep.artifacts.peers import Peers
from grid.sweep.artifacts.store import ArtifactStore
from grid.sweep.events import CellStarted, Event, Settings, cell_done
from grid.sweep.executors.session_engine import SessionEngine
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
        try:
            if self._engine is not None and not self._engine.is_for(session):
                self._engine.close()  # never two models in memory at once
            yield from self._store.environment(session.backend)
            yield from self._store.artifact(session.artifact)
            engine = self._engine_for(session)
        except EngineError as error:
            self._release_artifacts()
            for cell in session.cells:
                yield cell_done(cell, failed(cell, error))
            return
        try:
            for cell in session.cells:
                yield from self._run_cell(engine, cell, session.reference)
        finally:
            self._release_artifacts()

    def _release_artifacts(self) -> None:
        """What is used no longer may be evicted; the artifact of an open engine still is."""
        engine = self._engine
        self._store.end_session(engine.artifact if engine is not None and engine.is_open else None)

    def _engine_for(self, session: Session) -> SessionEngine:
        """The engine of a session, the one that is open where that is it."""
        path = str(self._store.path(session.artifact))
        if self._engine is not None and self._engine.path != path:
            self._engine.close()  # another copy of the same took its place
            self._engine = None
        if self._engine is None or not self._engine.is_for(session):
            interpreter = self._store.interpreter(session.backend)
            device = self._store.device(session.backend)
            self._engine = SessionEngine(session, path, interpreter, device, self._settings)
        return self._engine

    def close(self) -> None:
        """End all processes."""
        if self._engine is not None:
            self._engine.close()
        self._scoring.close()
        self._store.close()

    def _run_cell(
        self, engine: SessionEngine, cell: Cell, reference: Cell | None
    ) -> Iterator[Event]:
        if not cell.exclusive:
            self._store.pause_transfers(False)  # else two nodes could wait for what the other has
        yield CellStarted(cell_id=cell.id, label=cell.label)
        started = time.time()
        path = None
        try:
            local = yield from self._store.localised(cell)
            yield from self._scoring.begin(local)
        except EngineError as error:
            yield cell_done(cell, failed(cell, error, started))
            return
        if isinstance(cell.workload, Quality) and reference is not None:
            try:
                yield from self._store.environment(reference.backend)
                if cell.workload.prompts_sha256:
                    local = yield from self._store.written_text(
                        local, reference, engine.release_memory
                    )
                path = str(self._store.reference_path(local, reference))
                yield from self._store.reference(local, reference, engine.release_memory)
            except EngineError as error:
                reason = type(error)(f"the reference pass failed: {error}")
                yield cell_done(cell, failed(cell, reason, started))
                return
        self._store.pause_transfers(cell.exclusive)
        limit_s = time_limit_s(local, self._node, self._settings, Path(engine.path))
        measurement = yield from engine.attempt(local, path, limit_s)
        measured = self._scoring.score(local, measurement)
        yield cell_done(cell, _of_cell(cell, local, measured))


def _of_cell(cell: Cell, local: Cell, measured: Measurement) -> Measurement:
    """The measurement under the planned cell's id, with the content of a text that was written
    while the sweep ran."""
    if cell.id == local.id or not isinstance(local.workload, Quality):
        return measured
    facts = {**measured.environment, "written_text": local.workload.text_sha256}
    return msgspec.structs.replace(measured, cell_id=cell.id, environment=facts)
