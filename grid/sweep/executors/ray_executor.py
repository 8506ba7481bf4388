"""The executor over Ray: every node of a cluster, or this machine alone."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from grid.cells.cell import Cell
from grid.errors import ClusterLost
from grid.plan.order import Session
from grid.sweep.events import Settings
from grid.sweep.executors import ray_connect
from grid.sweep.executors.executor import ExecutorEvent, Gathered, Joined
from grid.sweep.executors.ray_file_sharing import ClusterFileSharing
from grid.sweep.executors.ray_node import SLOT, NodeSupervisor
from grid.sweep.node_report import Report

WATCH_S = 2.0
"""Seconds between two looks at which nodes there are."""

SILENCE_S = 30.0
"""Seconds without an answer from the head after which the cluster is lost. Ray itself would end
this process after 60."""


class RayExecutor:
    """Supervises one actor on each node, also on those that join later."""

    def __init__(
        self,
        settings: Settings,
        backends: Sequence[str],
        address: str | None,
        report: Report | None = None,
    ) -> None:
        """A cluster at `address`, or without one a Ray of this machine's own, which starts with the
        first work; `report` is this machine's then. Raises ClusterLost."""
        self._settings = settings
        self._backends = backends
        self._report = report
        self._events: queue.SimpleQueue[ExecutorEvent | ClusterLost] = queue.SimpleQueue()
        self._supervisors: dict[str, NodeSupervisor] = {}
        self._lost_nodes: set[str] = set()
        self._last_answer = time.monotonic()
        self._closing = threading.Event()
        self._closing_actions: list[Callable[[], None]] = []
        self._watching = False
        self._ray: Any = None
        self._file_sharing: ClusterFileSharing | None = None
        if address is None:
            assert report is not None
            self._events.put(Joined(report.node.name, report))
            self._events.put(Gathered())
        else:
            self._ray = ray_connect.connect(address)
            self._file_sharing = ClusterFileSharing(self._ray)
            self._watching = True
            threading.Thread(target=self._watch, daemon=True).start()

    @property
    def ray(self) -> Any:
        """The Ray module, connected; None before the first work of a Ray of this machine's own."""
        return self._ray

    def on_close(self, act: Callable[[], None]) -> None:
        """Have something done first when this closes, while Ray still answers; never where the
        cluster is lost."""
        self._closing_actions.append(act)

    def offer(self, cells: Iterable[Cell]) -> None:
        if self._file_sharing is not None:
            self._file_sharing.offer(cells, self._settings)

    def start(self, place: str, sessions: Sequence[Session]) -> None:
        if self._ray is None:
            self._start_ray()
        for node in list(self._supervisors.values()):  # the watcher adds to them
            if node.place == place:
                node.start(sessions)
                return
        # it left a moment ago, which is the next event

    def next_event(self, timeout_s: float) -> ExecutorEvent | None:
        if self._is_silent:
            raise ClusterLost(
                "the cluster's head has not answered for "
                f"{SILENCE_S:.0f} s; rows so far are safe, `grid cluster up` and the same command "
                "resume"
            )
        try:
            event = self._events.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if isinstance(event, ClusterLost):
            raise event
        return event

    def close(self) -> None:
        if self._closing.is_set():
            return
        self._closing.set()
        if self._ray is None or self._is_silent:
            return  # Ray's native code would wait for a head that is gone, or crash
        for act in self._closing_actions:
            act()
        for node in list(self._supervisors.values()):
            node.close()
        if self._file_sharing is not None:
            self._file_sharing.close()
        ray_connect.leave(self._ray)

    @property
    def _is_silent(self) -> bool:
        return self._watching and time.monotonic() - self._last_answer > SILENCE_S

    def _start_ray(self) -> None:
        """The Ray of this machine alone."""
        assert self._report is not None
        self._ray = ray_connect.start_local(self._report.node.cores)
        row = next(row for row in self._ray.nodes() if row["Alive"])
        self._supervisors[row["NodeID"]] = self._start_supervisor(row, self._report)

    def _start_supervisor(
        self, row: dict[str, Any], report: Report | None = None
    ) -> NodeSupervisor:
        return NodeSupervisor(
            self._ray,
            row,
            self._settings,
            self._backends,
            self._events.put,
            self._file_sharing,
            report,
        )

    def _watch(self) -> None:
        """Look who is there, as long as the sweep runs; its own thread, since Ray's calls hang for
        minutes when the head is gone."""
        answered, gathering = False, True
        while not self._closing.is_set():
            with suppress(Exception):  # whatever Ray raises here, its silence is what counts
                rows = self._ray.nodes()
                self._last_answer = time.monotonic()
                self._update_nodes(rows)
                answered = True
            if gathering and answered and self._all_settled():
                gathering = False
                self._events.put(Gathered())
            self._closing.wait(WATCH_S if not gathering else WATCH_S / 10)

    def _all_settled(self) -> bool:
        """Where every node is held by something else, one of them is waited for."""
        nodes = self._supervisors.values()
        ready = any(node.place for node in nodes) or not any(node.waiting for node in nodes)
        return ready and all(node.settled for node in nodes)

    def _update_nodes(self, rows: Sequence[dict[str, Any]]) -> None:
        alive = {row["NodeID"]: row for row in rows if row["Alive"]}
        slots = any(SLOT in row["Resources"] for row in alive.values())
        for node_id, row in alive.items():
            able = SLOT in row["Resources"] if slots else row["Resources"].get("CPU", 0) > 0
            if able and node_id not in self._supervisors:
                self._supervisors[node_id] = self._start_supervisor(row)
        for node_id, node in self._supervisors.items():
            if node_id not in alive and node_id not in self._lost_nodes:
                self._lost_nodes.add(node_id)
                node.mark_lost(f"{node.name} is gone from the cluster")
                if self._file_sharing is not None:
                    self._file_sharing.forget_node(node_id)
