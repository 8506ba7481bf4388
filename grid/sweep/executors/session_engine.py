"""The engine of a session in its process, loaded again if it dies; every failure becomes a
measurement."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import NamedTuple

import msgspec

from grid.backend.registry import backend
from grid.cells.cell import Cell, Options
from grid.cells.measurement import PRUNED, Measurement
from grid.cells.workload import Memory, ServerLoad, kind
from grid.engine import messages
from grid.engine.environments import Interpreter
from grid.engine.load.saturation import LoadOutcome, saturation
from grid.engine.process import EngineProcess
from grid.errors import EngineError, OutOfMemory
from grid.plan.order import Session
from grid.sweep.artifacts.content import ContentChanged, ContentCheck
from grid.sweep.engine_steps import working
from grid.sweep.events import Event, Settings, Working
from grid.sweep.not_run import failed, not_run, pruned

LOADS = 3
"""Times that a session's artifact is loaded; where its process then died or was killed for time as
often, the rest of its cells fail."""


class ReferenceUse(NamedTuple):
    """What a quality cell compares with: the reference file that is there, or the one that the cell
    itself is to write. `probes_noise`: it ends early where the reference has no noise."""

    reference: str | None = None
    target: str | None = None
    probes_noise: bool = False


ALONE = ReferenceUse()


class SessionEngine:
    """A session's engine, held open for all its cells and loaded again if it dies."""

    def __init__(
        self,
        session: Session,
        path: str,
        interpreter: Interpreter,
        device: str,
        settings: Settings,
        process: EngineProcess | None = None,
    ) -> None:
        """`process` was started for it and has done nothing yet; without it, or once that is
        used, it starts its own."""
        self._key = _engine_key(session)
        self.artifact = session.artifact
        self.path = path
        self._settings = settings
        self._interpreter = interpreter
        self._load_request = messages.Load(
            backend=session.backend,
            path=path,
            device=device,
            options=session.options,
            memory_limit=settings.memory_limit,
        )
        self._process: EngineProcess | None = None
        self._started = process
        self._loaded: messages.Loaded | None = None
        self._loads_left = LOADS
        self._load_error: EngineError | None = None
        self._oom_sizes: dict[str, int] = {}
        self._loads: list[LoadOutcome] = []
        """Those that were measured, by which larger ones are not tried."""

    def is_for(self, session: Session) -> bool:
        """Whether the session goes on with this engine."""
        return self._key == _engine_key(session)

    @property
    def is_open(self) -> bool:
        """Whether its process is there, with the artifact's files mapped into memory perhaps."""
        return self._process is not None

    def attempt(
        self,
        cell: Cell,
        use: ReferenceUse = ALONE,
        limit_s: float | None = None,
        content: ContentCheck | None = None,
    ) -> Generator[Event, None, Measurement]:
        """Run one cell, and yield how far it is; every failure becomes a measurement with its
        status and reason. `limit_s` is the time that it may take, None that of the settings.
        `content` is run beside the loading, or after it where that is timed. Raises ContentChanged
        where it finds other files than the row would name."""
        started, clock = time.time(), time.perf_counter()
        engine_s = 0.0
        limit = self._oom_sizes.get(kind(cell.workload))
        if limit is not None and 0 < limit <= cell.workload.size:
            return pruned(cell, limit)
        if isinstance(cell.workload, ServerLoad) and (
            reason := saturation(self._loads, cell.workload)
        ):
            return not_run(cell.id, "skipped", f"{PRUNED}the engine is saturated: {reason}")
        times_load = isinstance(cell.workload, Memory)
        try:
            if content is not None and not times_load:
                content.start()
            process, engine_s = yield from self._ensure_loaded(fresh=times_load)
            if engine_s:
                yield Working(what=cell.label)
            if content is not None and cell.exclusive:
                content.wait()  # before anything is timed
            seconds = self._settings.cell_timeout_s if limit_s is None else limit_s
            raw = yield from self._measure(process, cell, use, seconds)
            if content is not None:
                content.wait()
        except ContentChanged:
            raise
        except EngineError as error:
            if content is not None and self._load_error is not None:
                content.wait()  # it may be the file's fault
            return msgspec.structs.replace(
                failed(cell, error, started),
                wall_s=time.perf_counter() - clock,
                engine_s=engine_s + error.engine_s,
                engine_version=self._loaded.engine_version if self._loaded else "",
                environment=self._loaded.environment if self._loaded else {},
            )
        assert self._loaded is not None
        if isinstance(cell.workload, ServerLoad):
            self._loads.append(LoadOutcome(cell.workload, raw.scalars))
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
        """End its process, and one that was started for it."""
        for process in (self._process, self._started):
            if process is not None:
                process.close()
        self._process = self._started = None

    def reload(self) -> None:
        """Load anew for the next cell, from a file that was made or fetched again."""
        self._load_error = None
        self.release_memory()

    def release_memory(self) -> None:
        """Give the memory back for now; the next cell loads again."""
        if self._process is not None and self._process.alive:
            self._loads_left += 1  # asked for, not a crash
        self.close()

    def _measure(
        self, process: EngineProcess, cell: Cell, use: ReferenceUse, limit_s: float
    ) -> Generator[Event, None, messages.Raw]:
        request = messages.Measure(
            workload=cell.workload,
            kv_bytes=_kv_bytes(cell),
            reference=use.reference,
            reference_target=use.target,
            probes_noise=use.probes_noise,
            context_length=cell.artifact.model.context_length,
        )
        try:
            raw = yield from working(process.steps(request, limit_s), f"{cell.label}: scoring")
        except OutOfMemory:
            self._oom_sizes[kind(cell.workload)] = cell.workload.size
            raise
        assert isinstance(raw, messages.Raw)
        return raw

    def _ensure_loaded(self, fresh: bool) -> Generator[Event, None, tuple[EngineProcess, float]]:
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
        if self._process is not None:
            self._process.close()
        self._loads_left -= 1
        yield Working(what=f"starting the engine with {self.artifact.label}")
        self._process, self._started = self._started, None
        if self._process is None or not self._process.alive:
            self._process = EngineProcess(self._interpreter.python, self._interpreter.imports)
        try:
            loaded = self._process.ask(self._load_request, self._settings.cell_timeout_s)
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


def _kv_bytes(cell: Cell) -> int:
    """Predicted bytes of the cell's KV cache, through the backend's own option names."""
    return backend(cell.backend).needs(cell.artifact, 0, cell.options, cell.workload).kv_bytes
