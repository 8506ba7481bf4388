"""The process in which an engine lives: `python -m grid.engine.host REQUESTS REPLIES [FOLDER]`.

The first two arguments are file descriptors of pipes; the folder is removed at the end. The
measuring code and its clock run here, beside the engine, so that nothing but engine calls lies
between two readings of the clock. A crash, a hang in native code or a kill for memory ends this
process and nothing else.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import queue
import shutil
import signal
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from grid.backend import Engine, Imports, Quantizes
from grid.backend.registry import backend
from grid.engine import messages
from grid.engine.measure.energy import EnergyMeter
from grid.engine.measure.meter import Meter, OnProgress
from grid.engine.measure.model_facts import ModelFacts
from grid.engine.measure.process import page_cache_share, resident_bytes
from grid.engine.measure.run import Loading, measure
from grid.errors import EngineError, GridError, OutOfMemory, Unsupported


class EngineHost:
    """Serves requests one at a time; holds at most one loaded engine."""

    def __init__(self, on_progress: OnProgress | None = None) -> None:
        self._on_progress = on_progress
        self._resources = ExitStack()
        self._engine: Engine | None = None
        self._loading: Loading | None = None
        self._path = Path()
        self._energy: EnergyMeter | None = None

    def serve(self, request: messages.Request) -> messages.Reply:
        """The reply to one request; an error of the engine is a reply, never an end."""
        meter = Meter(self._on_progress, self._energy)
        try:
            match request:
                case messages.Load():
                    return self._load(request, meter)
                case messages.Measure():
                    return self._measure(request, meter)
                case messages.MakeReference():
                    return self._make_reference(request, meter)
                case messages.WriteText():
                    return self._write_text(request, meter)
                case messages.Continue():
                    return self._continue(request, meter)
                case messages.Quantize():
                    return self._quantize(request, meter)
                case messages.Probe():
                    return messages.Probed(
                        availability=backend(request.backend).probe(request.node)
                    )
        except MemoryError as error:
            failure: Exception = OutOfMemory(f"out of memory in Python: {error}")
        except Exception as error:
            failure = error
        status = failure.status if isinstance(failure, EngineError) else "error"
        return messages.Failed(status=status, reason=_one_line(failure), engine_s=meter.engine_s)

    def _load(self, request: messages.Load, meter: Meter) -> messages.Loaded:
        self._resources.close()
        _limit_memory(request.memory_limit)
        plugin, path = backend(request.backend), Path(request.path)
        if isinstance(plugin, Imports):
            with meter.engine():
                plugin.import_engine(request.device, request.options)
        self._energy = EnergyMeter.of_device(request.device)
        imported_s, share, baseline = meter.engine_s, page_cache_share(path), resident_bytes()
        with meter.engine():
            loader = plugin.load(path, request.device, request.options)
            engine = self._resources.enter_context(loader)
        self._engine, self._path = engine, path
        self._loading = Loading(
            load_s=meter.engine_s - imported_s, baseline_rss_bytes=baseline, page_cache_share=share
        )
        return messages.Loaded(
            engine_version=engine.version,
            environment=dict(engine.environment()),
            engine_s=meter.engine_s,
        )

    def _measure(self, request: messages.Measure, meter: Meter) -> messages.Raw:
        engine, loading = self._require_loaded()
        facts = ModelFacts(path=self._path, context_length=request.context_length)
        return measure(engine, loading, request, meter, facts)

    def _continue(self, request: messages.Continue, meter: Meter) -> messages.Continued:
        from grid.engine.measure.continuation import continuation

        engine, _ = self._require_loaded()
        facts = ModelFacts(path=self._path, context_length=request.context_length)
        return continuation(engine, request, meter, facts)

    def _make_reference(self, request: messages.MakeReference, meter: Meter) -> messages.FileMade:
        from grid.engine.measure.reference import write_reference

        engine, _ = self._require_loaded()
        facts = ModelFacts(path=self._path)
        write_reference(engine, request.workload, Path(request.target), meter, facts)
        return messages.FileMade(engine_s=meter.engine_s)

    def _write_text(self, request: messages.WriteText, meter: Meter) -> messages.FileMade:
        from grid.engine.measure.written_text import write_text

        engine, _ = self._require_loaded()
        facts = ModelFacts(path=self._path, context_length=request.context_length)
        write_text(engine, request.workload, Path(request.target), meter, facts)
        return messages.FileMade(engine_s=meter.engine_s)

    def _quantize(self, request: messages.Quantize, meter: Meter) -> messages.FileMade:
        maker = backend(request.backend)
        if not isinstance(maker, Quantizes):
            raise Unsupported(f"backend {request.backend} does not quantize")
        with meter.engine():
            maker.quantize(
                Path(request.source),
                request.recipe,
                Path(request.target),
                request.threads,
                request.calibration,
                request.device,
            )
        return messages.FileMade(engine_s=meter.engine_s)

    def _require_loaded(self) -> tuple[Engine, Loading]:
        if self._engine is None or self._loading is None:
            raise EngineError("no artifact is loaded in this process")
        return self._engine, self._loading


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, GridError):
        return text
    return f"{type(error).__name__}: {text}"


def _limit_memory(limit: int | None) -> None:
    """Private memory beyond the limit is refused by the system, which engines report as a failed
    allocation. Systems that cannot (macOS) rely on the plan's own estimate."""
    if limit is None or sys.platform != "linux":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _read(requests: BinaryIO, inbox: queue.SimpleQueue[bytes], folder: Path | None) -> None:
    """Feeds requests to the main thread; the pipe's end means that the driver is gone, and then
    nothing that this process still computes is wanted, nor its folder, nor what it started."""
    for line in requests:
        inbox.put(line)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
    if os.getpgrp() == os.getpid():  # the driver can no longer end what the engine started
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(0)


def main(arguments: list[str]) -> None:
    faulthandler.enable()
    descriptors, folders = [int(text) for text in arguments[:2]], [Path(a) for a in arguments[2:]]
    for descriptor in descriptors:
        # A process that the engine starts must not keep the pipes open after this one's death.
        os.set_inheritable(descriptor, False)
    requests = os.fdopen(descriptors[0], "rb")
    replies = os.fdopen(descriptors[1], "wb", buffering=0)
    inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    folder = folders[0] if folders else None
    threading.Thread(target=_read, args=(requests, inbox, folder), daemon=True).start()

    def send(message: messages.Reply | messages.RequestProgress) -> None:
        with contextlib.suppress(BrokenPipeError):
            replies.write(messages.encode(message))

    host = EngineHost(
        lambda done, total, unit: send(messages.RequestProgress(done=done, total=total, unit=unit))
    )
    while True:
        send(host.serve(messages.decode_request(inbox.get())))


if __name__ == "__main__":
    main(sys.argv[1:])
