"""The Ray actor on a node: JSON in, JSON out, so that only data crosses."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from grid.cache import CACHE_VARIABLE
from grid.engine.environments import ensure_environment, find_interpreter
from grid.errors import EngineError
from grid.hardware.probe import probe_node
from grid.plan.order import Session
from grid.sweep.events import BEGINS, Event, Notice, Preparing, Settings
from grid.sweep.node_report import Report, report

if TYPE_CHECKING:
    from grid.sweep.executors.worker import Worker

BATCH_S = 0.05
"""Seconds for which events are gathered before they are sent: a message costs a millisecond."""


class SurveyEnded(msgspec.Struct, frozen=True, tag_field="event", tag="surveyed"):
    """The end of a survey."""

    report: Report


ActorEvent = Event | SurveyEnded

_encode = msgspec.json.Encoder().encode
decode_events = msgspec.json.Decoder(list[ActorEvent]).decode


class NodeActor:
    """Runs sessions on its node, for the driver."""

    def __init__(self, settings: bytes, threads: str | None, cache: str | None) -> None:
        """`threads` is the driver's OMP_NUM_THREADS, `cache` the cache folder where it is not what
        this node's own environment says."""
        if cache is not None:
            os.environ[CACHE_VARIABLE] = cache
        if threads is None:  # Ray sets 1 in its workers, which engines would inherit
            os.environ.pop("OMP_NUM_THREADS", None)
        self._settings = msgspec.json.decode(settings, type=Settings)
        self._worker: Worker | None = None

    def clock(self) -> float:
        """Seconds since the epoch by this node's clock."""
        return time.time()

    def survey(self, backends: list[str]) -> Iterator[bytes]:
        """Make the backends' environments where they are missing, then report."""
        yield from _in_batches(self._survey(backends))

    def begin(self, report_json: bytes, directory: Any, node_id: str) -> None:
        """Get ready to run sessions on the node of a report; `directory` is its peers', None where
        it has none, and `node_id` its name there."""
        from grid.sweep.artifacts.ray_peers import RayPeers
        from grid.sweep.executors.worker import Worker

        peers = None if directory is None else RayPeers(directory, node_id)
        node = msgspec.json.decode(report_json, type=Report).node
        self._worker = Worker(node, self._settings, peers)

    def run(self, sessions: bytes) -> Iterator[bytes]:
        """The sessions' events as they happen, several in one message."""
        batch = msgspec.json.decode(sessions, type=list[Session])
        assert self._worker is not None
        worker = self._worker
        yield from _in_batches(event for session in batch for event in worker.run(session))

    def _survey(self, backends: list[str]) -> Iterator[ActorEvent]:
        node = probe_node()
        broken: dict[str, str] = {}
        for name in backends:
            if find_interpreter(name, node) is not None:
                continue
            yield Preparing(what="environment", label=name, line=BEGINS)
            try:
                ensure_environment(name, node)
            except EngineError as error:
                broken[name] = str(error)
                yield Notice(text=f"{node.name}: {error}")
        yield SurveyEnded(report(backends, broken, node))


def _in_batches(events: Iterable[ActorEvent]) -> Iterator[bytes]:
    """The events of a short time as one JSON list. An error of `events` is raised here."""
    pending: queue.SimpleQueue[ActorEvent | BaseException | None] = queue.SimpleQueue()

    def collect() -> None:
        try:
            for event in events:
                pending.put(event)
            pending.put(None)
        except BaseException as error:
            pending.put(error)

    threading.Thread(target=collect, daemon=True).start()
    while True:
        batch: list[ActorEvent] = []
        last = _fill(batch, pending)
        if batch:
            yield _encode(batch)
        if isinstance(last, BaseException):
            raise last
        if last is None:
            return


def _fill(
    batch: list[ActorEvent], pending: queue.SimpleQueue[ActorEvent | BaseException | None]
) -> ActorEvent | BaseException | None:
    """Wait for an event, then take what follows soon; returns the last, None at the end."""
    event = pending.get()
    until = time.monotonic() + BATCH_S
    while event is not None and not isinstance(event, BaseException):
        batch.append(event)
        try:
            event = pending.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            return batch[-1]
    return event
