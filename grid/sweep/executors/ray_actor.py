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
from grid.engine.environments import found, made
from grid.errors import EngineError
from grid.hardware.probe import probe_node
from grid.plan.order import Session
from grid.sweep.events import Event, Note, Preparing, Settings
from grid.sweep.node_report import Report, report

if TYPE_CHECKING:
    from grid.sweep.executors.worker import Worker

TOGETHER_S = 0.05
"""Seconds for which events are gathered before they are sent: a message costs a millisecond."""


class Surveyed(msgspec.Struct, tag=True, frozen=True):
    """The end of a survey."""

    report: Report


Said = Event | Surveyed

_encode = msgspec.json.Encoder().encode
decode_said = msgspec.json.Decoder(list[Said]).decode


class Agent:
    """One node's end of a sweep."""

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
        """Seconds since the epoch, as this node has it."""
        return time.time()

    def survey(self, backends: list[str]) -> Iterator[bytes]:
        """Make the backends' environments where they are missing, then report."""
        yield from _together(self._survey(backends))

    def begin(self, seen: bytes, directory: Any, me: str) -> None:
        """Get ready to run sessions on the node as it was reported, or as it is known to be;
        `directory` is its peers', None where it has none, and `me` its name there."""
        from grid.sweep.artifacts.ray_peers import RayPeers
        from grid.sweep.executors.worker import Worker

        peers = None if directory is None else RayPeers(directory, me)
        node = msgspec.json.decode(seen, type=Report).node
        self._worker = Worker(node, self._settings, peers)

    def run(self, sessions: bytes) -> Iterator[bytes]:
        """The sessions' events as they happen, several in one message."""
        given = msgspec.json.decode(sessions, type=list[Session])
        assert self._worker is not None
        worker = self._worker
        yield from _together(event for session in given for event in worker.run(session))

    def _survey(self, backends: list[str]) -> Iterator[Said]:
        node = probe_node()
        broken: dict[str, str] = {}
        for name in backends:
            if found(name, node) is not None:
                continue
            yield Preparing(what="environment", label=name, line="begins")
            try:
                made(name, node)
            except EngineError as error:
                broken[name] = str(error)
                yield Note(text=f"{node.name}: {error}")
        yield Surveyed(report(backends, broken, node))


def _together(said: Iterable[Said]) -> Iterator[bytes]:
    """What is said within a short time, as one JSON list. An error of `said` is raised here."""
    heard: queue.SimpleQueue[Said | BaseException | None] = queue.SimpleQueue()

    def listen() -> None:
        try:
            for one in said:
                heard.put(one)
            heard.put(None)
        except BaseException as error:
            heard.put(error)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        batch: list[Said] = []
        last = _collect(heard, batch)
        if batch:
            yield _encode(batch)
        if isinstance(last, BaseException):
            raise last
        if last is None:
            return


def _collect(
    heard: queue.SimpleQueue[Said | BaseException | None], batch: list[Said]
) -> Said | BaseException | None:
    """Wait for one, then take what follows soon; returns the last, None at the end."""
    one = heard.get()
    until = time.monotonic() + TOGETHER_S
    while one is not None and not isinstance(one, BaseException):
        batch.append(one)
        try:
            one = heard.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            return batch[-1]
    return one
