"""What the nodes of a cluster share: the directory of who has which artifact, and each node's
porter."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from grid.cache import cache_dir
from grid.cells.cell import Cell
from grid.errors import ClusterLost
from grid.sweep.artifacts.inputs import offer_inputs
from grid.sweep.artifacts.leases import Leases
from grid.sweep.artifacts.ray_peers import introduce, start_directory, start_porter
from grid.sweep.events import Settings


class ClusterFileSharing:
    """Lives as long as a sweep on a cluster. Nodes are named by their Ray ids. Calls may come from
    several threads; one node that is slow to answer holds up nobody but itself."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._driver_node = str(ray.get_runtime_context().get_node_id())
        self.directory = start_directory(ray)
        self._porters: dict[str, Any] = {}
        self._introduced: set[str] = set()
        self._locks: dict[str, threading.Lock] = {}
        self._leases = Leases()

    def cache_of(self, node_id: str) -> str | None:
        """The cache folder that a node's actors must be told: the driver's, on its own node, where
        Ray may have been started without it."""
        return str(cache_dir()) if node_id == self._driver_node else None

    def offer(self, cells: Iterable[Cell], settings: Settings) -> None:
        """Files of the driver's own machine become known to all; it is introduced first, so that
        its bytes are the ones that count. Raises InputError where one is gone, ClusterLost where
        Ray does not answer."""
        offer_inputs(cells, settings, self._leases.take)
        with suppress(self._ray.exceptions.RayError):  # a porter that died is started anew
            self._introduce(self._driver_node, force=True)
            return
        try:
            self._introduce(self._driver_node, force=True)
        except self._ray.exceptions.RayError as error:
            raise ClusterLost(
                f"the driver's own node gives its peers no files ({type(error).__name__}); is it "
                "overloaded? The same command resumes"
            ) from error

    def enter(self, node_id: str) -> None:
        """A node's porter is there, and known to its peers. Where it does not start or is slow, the
        node works without being asked for anything, and the next call tries again."""
        with suppress(self._ray.exceptions.RayError):
            self._introduce(node_id, force=False)

    def forget(self, node_id: str) -> None:
        """The node is gone, with all that it had."""
        self._porters.pop(node_id, None)
        self._locks.pop(node_id, None)
        self._introduced.discard(node_id)
        self.directory.forget.remote(node_id)

    def abandon_making(self, node_id: str) -> None:
        """What the node was making is nobody's now: its worker died."""
        self.directory.give_up.remote(node_id)

    def close(self) -> None:
        """End the porters; what the driver has offered may be evicted."""
        self._leases.give_back()
        for porter in list(self._porters.values()):
            with suppress(Exception):  # the cluster may be gone already
                self._ray.kill(porter)

    def _introduce(self, node_id: str, force: bool) -> None:
        """Raises Ray's errors. A porter that is only slow is kept, and found ready next time."""
        with self._locks.setdefault(node_id, threading.Lock()):
            if node_id in self._introduced and not force:
                return
            porter = self._porters.get(node_id)
            if porter is None:
                porter = start_porter(self._ray, node_id, self.cache_of(node_id))
                self._porters[node_id] = porter
            try:
                introduce(self._ray, self.directory, node_id, porter)
            except self._ray.exceptions.ActorDiedError:
                self._porters.pop(node_id, None)
                raise
            self._introduced.add(node_id)
