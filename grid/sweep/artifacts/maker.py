"""The process that makes artifacts and reference distributions, apart from the one that is
measured."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from grid.engine import messages
from grid.engine.environments import Interpreter
from grid.engine.process import EngineProcess
from grid.errors import EngineDied, EngineError, EngineTimeout, OutOfMemory
from grid.sweep.artifacts.eviction import full_disk_hint
from grid.sweep.events import Prepared

Request = messages.Load | messages.MakeReference | messages.WriteText | messages.Quantize


class Maker:
    """Holds at most one process, of the backend that made last. `interpreter` finds a backend's."""

    def __init__(self, interpreter: Callable[[str], Interpreter], timeout_s: float) -> None:
        self._interpreter = interpreter
        self._timeout_s = timeout_s
        self._process: EngineProcess | None = None
        self._backend = ""
        self._failed: dict[Path, EngineError] = {}

    def make(
        self, what: str, label: str, backend: str, target: Path, requests: Sequence[Request]
    ) -> Prepared:
        """Make `target` by a backend's requests. What failed once is not tried again in this sweep:
        it may take hours. Raises EngineError; then nothing of it is left."""
        if target in self._failed:
            raise self._failed[target]
        start = time.perf_counter()
        engine_s = 0.0
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            _clear(target)
            for request in requests:
                engine_s += self._ask(backend, request).engine_s
        except OSError as error:
            raise EngineError(f"the cache takes no {what}: {error}") from error
        except EngineError as error:
            _clear(target)
            self._failed[target] = type(error)(f"{error}{full_disk_hint(target.parent)}")
            raise self._failed[target] from error
        wall_s = time.perf_counter() - start
        return Prepared(what=what, label=label, wall_s=wall_s, engine_s=engine_s)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.close()
            self._process = None
            self._backend = ""

    def _ask(self, backend: str, request: Request) -> messages.Loaded | messages.FileMade:
        if self._process is None or not self._process.alive or self._backend != backend:
            self.close()
            interpreter = self._interpreter(backend)
            self._process = EngineProcess(interpreter.python, interpreter.imports)
            self._backend = backend
        try:
            reply = self._process.ask(request, self._timeout_s)
        except (EngineTimeout, EngineDied, OutOfMemory):
            self.close()
            raise
        assert isinstance(reply, messages.Loaded | messages.FileMade)
        return reply


def _clear(target: Path) -> None:
    """Remove what a maker has left that failed or was killed: gigabytes that nobody would ever
    find, or half a file under the name of a whole one."""
    for remains in [target, *target.parent.glob(f".*{target.name}*")]:
        if remains.is_dir():
            shutil.rmtree(remains, ignore_errors=True)
        else:
            remains.unlink(missing_ok=True)
