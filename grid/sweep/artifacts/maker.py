"""The process that makes artifacts and reference distributions, apart from the one that is
measured."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path

from grid.engine import messages
from grid.engine.environments import Interpreter
from grid.engine.process import EngineProcess
from grid.errors import EngineDied, EngineError, EngineTimeout, OutOfMemory
from grid.sweep.artifacts.eviction import full_disk_hint
from grid.sweep.engine_steps import working
from grid.sweep.events import Event, Prepared, Working

Request = messages.Load | messages.MakeReference | messages.WriteText | messages.Quantize


TITLES = {
    "quantize": "making {}",
    "reference": "making the reference of {}",
    "text": "writing the text with {}",
}
"""What is being made, by `what` of `Maker.make`."""


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
    ) -> Iterator[Event]:
        """Make `target` by a backend's requests, and yield how far that is; `Prepared` comes last.
        What failed once is not tried again in this sweep: it may take hours. Raises EngineError;
        then nothing of it is left."""
        if target in self._failed:
            raise self._failed[target]
        title = TITLES[what].format(label)
        yield Working(what=title)
        start = time.perf_counter()
        engine_s = 0.0
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            _clear(target)
            for request in requests:
                reply = yield from self._ask(backend, request, title)
                engine_s += reply.engine_s
        except OSError as error:
            raise EngineError(f"the cache takes no {what}: {error}") from error
        except EngineError as error:
            _clear(target)
            self._failed[target] = type(error)(f"{error}{full_disk_hint(target.parent)}")
            raise self._failed[target] from error
        wall_s = time.perf_counter() - start
        yield Prepared(what=what, label=label, wall_s=wall_s, engine_s=engine_s)

    def forget(self, target: Path) -> None:
        """Remove what was made there, or left of a failure, so that it can be made again."""
        self._failed.pop(target, None)
        _clear(target)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.close()
            self._process = None
            self._backend = ""

    def _ask(
        self, backend: str, request: Request, title: str
    ) -> Generator[Event, None, messages.Loaded | messages.FileMade]:
        if self._process is None or not self._process.alive or self._backend != backend:
            self.close()
            interpreter = self._interpreter(backend)
            self._process = EngineProcess(interpreter.python, interpreter.imports)
            self._backend = backend
        try:
            reply = yield from working(self._process.steps(request, self._timeout_s), f"{title},")
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
