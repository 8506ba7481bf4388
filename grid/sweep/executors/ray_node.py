"""One node of a Ray cluster as the driver sees it: a thread that supervises the node's actor."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from grid.errors import ClusterLost
from grid.plan.order import Session
from grid.sweep.events import CellDone, Event, Notice, Settings
from grid.sweep.executors.executor import ExecutorEvent, Joined, Left, NodeEvent, NodeIdle
from grid.sweep.executors.ray_actor import NodeActor, SurveyEnded, decode_events
from grid.sweep.executors.ray_file_sharing import ClusterFileSharing
from grid.sweep.node_report import Report, code_digest

DEATHS = 3
"""Times that a node's actor dies in a row, without a cell done between, before the node is given
up."""

SLOT = "bench_slot"
"""The Ray resource of which a node has one: whoever holds it measures there, alone."""

SLOT_S = 15.0
"""Seconds after which the user is told that a node's slot is not free."""

CLOCK_S = 60.0
"""Seconds that a node's clock may be off before the user is told."""


class NodeSupervisor:
    """Supervises the actor of one node: starts it, surveys the node, runs sessions, and starts it
    again when it dies. Events go to `on_event`."""

    def __init__(
        self,
        ray: Any,
        row: dict[str, Any],
        settings: Settings,
        backends: Sequence[str],
        on_event: Callable[[ExecutorEvent | ClusterLost], None],
        file_sharing: ClusterFileSharing | None = None,
        report: Report | None = None,
    ) -> None:
        """`row` is the node's entry of `ray.nodes()`; `peers` is what nodes share, on a cluster;
        `report` is the node's where it is not to be asked."""
        self._ray = ray
        self._row = row
        self._settings = settings
        self._backends = list(backends)
        self._on_event = on_event
        self._file_sharing = file_sharing
        self._local_report = report
        self._inbox: queue.SimpleQueue[Sequence[Session] | None] = queue.SimpleQueue()
        self._offset_s = 0.0
        self._actor: Any = None
        self._closed = False
        self._deaths = 0
        self._lock = threading.RLock()
        self.waiting = False
        """Whether something else holds the node's slot."""
        self.place = self._place_name(0) if report is not None else ""
        """Of the present actor; empty while there is none that is ready."""
        self._thread = threading.Thread(target=self._supervise, daemon=True)
        self._thread.start()

    @property
    def settled(self) -> bool:
        """Whether the node has joined, or will not soon."""
        return bool(self.place) or self.waiting or self._closed or not self._thread.is_alive()

    def start(self, sessions: Sequence[Session]) -> None:
        self._inbox.put(sessions)

    def mark_lost(self, reason: str) -> None:
        """The node is dead; its thread may hang for long, and its events no longer count."""
        with self._lock:
            if self.place:
                self._tell(Left(self.place, reason))
            self._closed = True

    def close(self) -> None:
        """End the actor at once; its engine's process sees its pipe close and ends too."""
        self._closed = True
        self._inbox.put(None)
        if self._actor is not None:
            with suppress(Exception):  # the head may be gone without being known to be
                self._ray.kill(self._actor)

    def _supervise(self) -> None:
        errors = self._ray.exceptions
        life, reason = 0, ""
        while self._deaths < DEATHS and not self._closed:
            try:
                self._lead_actor(life)
                return
            except errors.ActorUnschedulableError:
                self._end_actor(f"{self.name} is gone from the cluster")
                return  # where it comes back, it is another node
            except errors.LocalRayletDiedError as error:
                self._tell(ClusterLost(f"Ray stopped answering: {_first_line(error)}"))
                return
            except errors.RayTaskError as error:
                reason = f"the worker of {self.name} failed: {error.cause!r}"
            except errors.RayError as error:
                reason = f"the worker of {self.name} was lost: {_first_line(error)}"
            except Exception as error:  # a defect, but one that the sweep must hear of
                reason = f"leading {self.name} failed: {error!r}"
            life += 1
            self._deaths += 1
            self._end_actor(reason)
        died = f"its worker died {DEATHS} times in a row, the last time: {reason}"
        self._tell(Notice(text=f"{self.name} gets no more work: {died}"))
        if self._local_report is not None:
            self._tell(ClusterLost(f"{died}; the log is in /tmp/ray"))

    def _lead_actor(self, life: int) -> None:
        self._actor = self._start_actor()
        report = self._local_report or self._survey()
        if not self._has_same_code(report):
            return
        directory = None if self._file_sharing is None else self._file_sharing.directory
        self._ray.get(
            self._actor.begin.remote(msgspec.json.encode(report), directory, self._row["NodeID"])
        )
        with self._lock:
            self.place = self._place_name(life)
            if life > 0 or self._local_report is None:  # else it is known to have joined
                self._tell(Joined(self.place, report))
        while (sessions := self._inbox.get()) is not None:
            if self._file_sharing is not None:
                self._file_sharing.ensure_file_server(self._row["NodeID"])
            stream = self._actor.run.remote(msgspec.json.encode(list(sessions)))
            for event in self._events(stream):
                if isinstance(event, CellDone) and event.status == "ok":
                    self._deaths = 0
                self._tell(NodeEvent(self.place, self._on_our_clock(event)))
            self._tell(NodeIdle(self.place))

    def _place_name(self, life: int) -> str:
        if self._local_report is not None and life == 0:
            return self._local_report.node.name  # as it joined before Ray was started
        return f"{self._row['NodeID'][:12]}.{life}"

    def _start_actor(self) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        resources = self._row["Resources"]
        threads = os.environ.get("OMP_NUM_THREADS")
        cache = self._file_sharing.cache_of(self._row["NodeID"]) if self._file_sharing else None
        return (
            self._ray.remote(NodeActor)
            .options(
                num_cpus=0,  # the slot keeps others away
                num_gpus=resources.get("GPU", 0),
                resources={SLOT: 1} if SLOT in resources else None,
                scheduling_strategy=NodeAffinitySchedulingStrategy(self._row["NodeID"], soft=False),
            )
            .remote(msgspec.json.encode(self._settings), threads, cache)
        )

    def _survey(self) -> Report:
        self._offset_s = self._clock_offset()
        for event in self._events(self._actor.survey.remote(self._backends)):
            if isinstance(event, SurveyEnded):
                return event.report
            self._tell(NodeEvent(self.name, event))
        raise RuntimeError("a survey ended without a report")

    def _clock_offset(self) -> float:
        """Seconds that the node's clock is ahead of ours; sends a notice where it is far off."""
        answer = self._actor.clock.remote()
        if not self._ray.wait([answer], timeout=SLOT_S)[0]:
            self._tell(Notice(text=f"waiting for {self.name}: something else holds its slot"))
            self.waiting = True
            self._ray.get(answer)
            self.waiting = False
        sent_at = time.time()
        offset = float(self._ray.get(self._actor.clock.remote())) - (sent_at + time.time()) / 2
        if abs(offset) >= CLOCK_S:
            way = "ahead of" if offset > 0 else "behind"
            minutes = abs(offset) / 60
            self._tell(
                Notice(
                    text=f"the clock of {self.name} is {minutes:.0f} min {way} the driver's; its "
                    "rows get the driver's time, but set it right (`timedatectl set-ntp true`)"
                )
            )
        return offset

    def _has_same_code(self, report: Report) -> bool:
        """Whether the node runs the same program; what it measured would else be another thing."""
        if self._local_report is not None or report.code == code_digest(self._backends):
            return True
        self._tell(
            Notice(
                text=f"{self.name} is left out: it has another version of quantgrid "
                f"({report.quantgrid}, {report.code}); `grid cluster up` brings them together"
            )
        )
        return False

    def _on_our_clock(self, event: Event) -> Event:
        if isinstance(event, CellDone) and event.measurement and abs(self._offset_s) > 1:
            started = event.measurement.started_at - self._offset_s
            measurement = msgspec.structs.replace(event.measurement, started_at=started)
            event = msgspec.structs.replace(event, measurement=measurement)
        return event

    def _events(self, stream: Any) -> Iterator[Any]:
        for reference in stream:
            yield from decode_events(self._ray.get(reference))

    def _end_actor(self, reason: str) -> None:
        """Kill the actor, so that it measures nothing beside its successor."""
        if self._closed:
            return
        with suppress(Exception):  # Ray may not answer; what counts is that the node has left
            if self._actor is not None:
                self._ray.kill(self._actor)
            if self._file_sharing is not None:
                self._file_sharing.release_claims(self._row["NodeID"])
        with self._lock:
            place, self.place = self.place, ""
            self._inbox = queue.SimpleQueue()
            if place:
                self._tell(Left(place, reason))

    def _tell(self, event: ExecutorEvent | ClusterLost) -> None:
        with self._lock:
            if not self._closed:
                self._on_event(event)

    @property
    def name(self) -> str:
        return str(self._row["NodeManagerHostname"])


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
