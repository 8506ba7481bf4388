"""What the nodes of a cluster share: the directory of which node has which artifact, and a file
server on each node."""

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
from grid.sweep.artifacts.ray_peers import introduce, start_directory, start_file_server
from grid.sweep.events import Settings


class ClusterFileSharing:
    """Shares artifacts between the nodes of a cluster during a sweep. Nodes are named by their Ray
    ids. Calls may come from several threads; a node that is slow to answer delays only itself."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._driver_node = str(ray.get_runtime_context().get_node_id())
        self.directory = start_directory(ray)
        self._file_servers: dict[str, Any] = {}
        self._introduced: set[str] = set()
        self._locks: dict[str, threading.Lock] = {}
        self._leases = Leases()

    def cache_of(self, node_id: str) -> str | None:
        """The cache folder for a node's actors: the driver's own on its node, where Ray may have
        been started without it; None elsewhere."""
        return str(cache_dir()) if node_id == self._driver_node else None

    def offer(self, cells: Iterable[Cell], settings: Settings) -> None:
        """Announce files of the driver's machine to all nodes; it is introduced first, so that its
        bytes are the ones that count. Raises InputError where one is gone, ClusterLost where
        Ray does not answer."""
        offer_inputs(cells, settings, self._leases.take)
        with suppress(self._ray.exceptions.RayError):  # a file server that died is started again
            self._introduce(self._driver_node, force=True)
            return
        try:
            self._introduce(self._driver_node, force=True)
        except self._ray.exceptions.RayError as error:
            raise ClusterLost(
                f"the driver's own node gives its peers no files ({type(error).__name__}); is it "
                "overloaded? The same command resumes"
            ) from error

    def ensure_file_server(self, node_id: str) -> None:
        """Start a node's file server and make it known to its peers. Where it does not start or is
        slow, the node works without serving files, and the next call tries again."""
        with suppress(self._ray.exceptions.RayError):
            self._introduce(node_id, force=False)

    def forget_node(self, node_id: str) -> None:
        """Remove a node that is gone, with all that it had."""
        self._file_servers.pop(node_id, None)
        self._locks.pop(node_id, None)
        self._introduced.discard(node_id)
        self.directory.forget.remote(node_id)

    def release_claims(self, node_id: str) -> None:
        """Let others make what the node was making: its worker died."""
        self.directory.give_up.remote(node_id)

    def close(self) -> None:
        """End the file servers; what the driver has offered may be evicted."""
        self._leases.release()
        for server in list(self._file_servers.values()):
            with suppress(Exception):  # the cluster may be gone already
                self._ray.kill(server)

    def _introduce(self, node_id: str, force: bool) -> None:
        """Raises Ray's errors. A file server that is only slow is kept, and is ready next time."""
        with self._locks.setdefault(node_id, threading.Lock()):
            if node_id in self._introduced and not force:
                return
            server = self._file_servers.get(node_id)
            if server is None:
                server = start_file_server(self._ray, node_id, self.cache_of(node_id))
                self._file_servers[node_id] = server
            try:
                introduce(self._ray, self.directory, node_id, server)
            except self._ray.exceptions.ActorDiedError:
                self._file_servers.pop(node_id, None)
                raise
            self._introduced.add(node_id)
