"""The executor over Ray: one actor a node, which drives that node's engine processes.

Here Ray runs on this machine alone. Every `ray.init` argument and variable below has a reason in
its comment; a cluster brings its own.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from grid.errors import ClusterLost
from grid.measurement import Measurement
from grid.node import Node
from grid.plan.order import Session
from grid.schedule.events import CellDone, Event, Settings

_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent anywhere
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # else every worker of `uv run grid` starts through uv
    "RAY_memory_monitor_refresh_ms": "0",  # it would end the actor; the system ends the engine
    "RAY_worker_niceness": "0",  # else engines run at the lowest priority, behind anything else
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # leave the accelerators visible to our children
}

OBJECT_STORE_BYTES = 80 * 2**20
"""Results are a few hundred kilobytes each; Ray's least size is 75 MiB."""

ACTORS = 3
"""Times that a node's actor is started anew before its remaining cells are given up as lost."""


class LocalRayExecutor:
    """Runs sessions in an actor of a Ray that lives as long as this object."""

    def __init__(self, node: Node, settings: Settings) -> None:
        os.environ.update({k: v for k, v in _ENVIRONMENT.items() if k not in os.environ})
        import ray

        on_term = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(
                address="local",
                num_cpus=max(1, node.cores),
                include_dashboard=False,  # 200 MB less
                log_to_driver=False,
                logging_level=logging.ERROR,
                object_store_memory=OBJECT_STORE_BYTES,
                _node_ip_address="127.0.0.1",  # else Ray asks the network for its own address
            )
        except (OSError, RuntimeError, ValueError) as error:
            raise ClusterLost(
                f"Ray does not start: {error}; --executor inline does without it"
            ) from error
        signal.signal(signal.SIGTERM, on_term)  # Ray's own would exit before rows are flushed
        self._ray: Any = ray
        threads = os.environ.get("OMP_NUM_THREADS")
        self._arguments = (msgspec.json.encode(node), msgspec.json.encode(settings), threads)
        self._actor: Any = None
        self._actors_left = ACTORS
        self._lost_reason = ""

    def run(self, sessions: Sequence[Session]) -> Iterator[Event]:
        for session in sessions:
            yield from self._run_one(session)

    def close(self) -> None:
        """Ends the actor at once; its engine process sees its pipe close and ends too."""
        if self._actor is not None:
            self._ray.kill(self._actor)
            self._actor = None
        self._ray.shutdown()

    def _run_one(self, session: Session) -> Iterator[Event]:
        waiting = {cell.id for cell in session.cells}
        for event in self._events(session):
            if isinstance(event, CellDone):
                waiting.discard(event.measurement.cell_id)
            yield event
        for cell in session.cells:
            if cell.id in waiting:
                lost = Measurement(
                    cell_id=cell.id,
                    status="lost",
                    reason=self._lost_reason,
                    started_at=time.time(),
                )
                yield CellDone(measurement=lost)

    def _events(self, session: Session) -> Iterator[Event]:
        """The session's events until its end or the actor's."""
        decoder = msgspec.json.Decoder(Event)
        errors = self._ray.exceptions
        try:
            stream = self._worker().run.remote(msgspec.json.encode(session))
            for reference in stream:
                yield decoder.decode(self._ray.get(reference))
        except errors.RayTaskError as error:
            self._give_up_actor(f"the node's worker failed: {error.cause!r}")
        except (errors.ActorDiedError, errors.ActorUnavailableError):
            self._give_up_actor("the node's worker died")
        except errors.RayError as error:
            raise ClusterLost(f"Ray stopped answering: {error}") from error

    def _give_up_actor(self, reason: str) -> None:
        """Kill it, so that it measures nothing beside its successor."""
        self._lost_reason = f"{reason}; the same command tries again"
        if self._actor is not None:
            self._ray.kill(self._actor)
            self._actor = None

    def _worker(self) -> Any:
        if self._actor is None:
            if self._actors_left == 0:
                raise ClusterLost(f"the node's worker died {ACTORS} times; the log is in /tmp/ray")
            self._actors_left -= 1
            self._actor = self._ray.remote(num_cpus=1)(RayWorker).remote(*self._arguments)
        return self._actor


class RayWorker:
    """The actor: JSON in, JSON out, so that only data crosses."""

    def __init__(self, node: bytes, settings: bytes, threads: str | None) -> None:
        from grid.schedule.worker import Worker

        if threads is None:  # Ray sets 1 in its workers, which engines would inherit
            os.environ.pop("OMP_NUM_THREADS", None)
        self._worker = Worker(
            msgspec.json.decode(node, type=Node), msgspec.json.decode(settings, type=Settings)
        )

    def run(self, session: bytes) -> Iterator[bytes]:
        """The session's events, each as JSON, as they happen."""
        for event in self._worker.run(msgspec.json.decode(session, type=Session)):
            yield msgspec.json.encode(event)
