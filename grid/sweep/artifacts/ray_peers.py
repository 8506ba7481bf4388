"""Peers through Ray: the directory and each node's file server are actors, chunks are objects.

Chunks are asked for, not streamed: an asker holds at most `AHEAD` of them, whichever node dies no
generator is left waiting, and any holder can give the next one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from grid.sweep.artifacts.directory import Directory
from grid.sweep.artifacts.file_server import CHUNK_BYTES, GIVE_FIRST_S, FileServer
from grid.sweep.artifacts.manifest import FileEntry, Manifest
from grid.sweep.artifacts.peers import Claim, PeerBusy, PeerLost, PeerSilent

AHEAD = 3
"""Chunks asked for at once: 24 MiB of a node's object store, whose least size is 75 MiB."""

ANSWER_S = 45.0
"""Seconds for one answer, those ahead of it over a line of 5 Mbit/s included. A node that died
is known earlier, by Ray."""

READERS = 4
"""Answers that a file server makes at once."""


class RayDirectory(Directory):
    """The directory that also knows how to reach each node's file server."""

    def __init__(self) -> None:
        super().__init__()
        self._file_servers: dict[str, Any] = {}
        self._titles: dict[str, str] = {}

    def introduce(
        self, node: str, file_server: Any, title: str, held: Mapping[str, Manifest]
    ) -> None:
        """A node with its file server's handle, its name for people, and what is on its disk from
        before."""
        self._file_servers[node], self._titles[node] = file_server, title
        self.enlist(node, held)

    def forget(self, node: str) -> None:
        super().forget(node)
        self._file_servers.pop(node, None)

    def title(self, node: str) -> str:
        """The name for people, also of a node that left."""
        return self._titles.get(node, node)

    def file_server(self, node: str) -> Any:
        """The handle; None for a node that is not there (any longer)."""
        return self._file_servers.get(node)


def start_directory(ray: Any) -> Any:
    """The directory's actor, on the caller's node: it lives as long as the sweep."""
    node_id = ray.get_runtime_context().get_node_id()
    return ray.remote(RayDirectory).options(**_on(ray, node_id)).remote()


def start_file_server(ray: Any, node_id: str, cache: str | None = None) -> Any:
    """Start a node's file server; `cache` is its cache folder where its environment does not name
    one. `introduce` makes it known."""
    options = {**_on(ray, node_id), "max_concurrency": READERS, "max_restarts": 3}
    groups = {"control": 2}  # heard while all readers wait
    return ray.remote(concurrency_groups=groups, **options)(FileServer).remote(cache)


def introduce(
    ray: Any, directory: Any, name: str, file_server: Any, timeout_s: float = 60.0
) -> None:
    """Make a node known to its peers, with what is on its disk. Raises Ray's errors where the
    file server does not start."""
    answers = [
        _control(file_server.host_name).remote(),
        _control(file_server.offered_manifests).remote(),
    ]
    title, held = ray.get(answers, timeout=timeout_s)
    ray.get(directory.introduce.remote(name, file_server, title, held), timeout=timeout_s)


class RayPeers:
    """Peers as one node sees them; made in its worker. Both handles can be passed to actors.

    Without the directory (its node died) each node works for itself.
    """

    def __init__(self, directory: Any, me: str) -> None:
        import ray

        self._ray: Any = ray
        self._directory = directory
        self._me = me
        self._file_servers: dict[str, Any] = {}
        self._titles: dict[str, str] = {}
        self.pause_transfers(0.0)  # a worker that died may have left it paused

    @property
    def me(self) -> str:
        return self._me

    def title(self, node: str) -> str:
        if node not in self._titles:
            self._titles[node] = self._ask(self._directory.title.remote(node)) or node
        return self._titles[node]

    def claim(self, key: str) -> Claim:
        claim = self._ask(self._directory.claim.remote(self._me, key))
        return claim if isinstance(claim, Claim) else Claim(make=True)

    def announce(self, key: str, manifest: Manifest) -> Manifest:
        first = self._ask(self._directory.announce.remote(self._me, key, manifest))
        return first if isinstance(first, Manifest) else manifest

    def release(self, key: str) -> None:
        self._ask(self._directory.release.remote(self._me, key))

    def missing(self, key: str, holder: str) -> None:
        self._file_servers.pop(holder, None)
        self._ask(self._directory.missing.remote(holder, key))

    def read(self, holder: str, key: str, file: FileEntry, offset: int) -> Iterator[bytes]:
        file_server = self._file_server(holder)
        if file_server is None:
            raise PeerLost("it left the grid")
        pending: deque[tuple[Any, int]] = deque()
        while offset < file.size or pending:
            while offset < file.size and len(pending) < AHEAD:
                answer = file_server.read.remote(key, file.name, offset)
                pending.append((answer, min(CHUNK_BYTES, file.size - offset)))
                offset += CHUNK_BYTES
            yield self._chunk(holder, *pending.popleft())

    def pause_transfers(self, seconds: float) -> None:
        file_server = self._file_server(self._me)
        if file_server is not None:
            self._ask(
                _control(file_server.pause_transfers).remote(seconds), ANSWER_S + GIVE_FIRST_S
            )

    def _chunk(self, holder: str, answer: Any, size: int) -> bytes:
        try:
            chunk = self._ray.get(answer, timeout=ANSWER_S)
        except self._ray.exceptions.RayError as error:
            self._file_servers.pop(holder, None)  # asked for again: the node may have left
            raise PeerSilent(f"it does not answer ({type(error).__name__})") from error
        if chunk is None:
            raise PeerBusy
        if len(chunk) != size:
            raise PeerLost("it does not have it any longer")
        return bytes(chunk)

    def _file_server(self, node: str) -> Any:
        if node not in self._file_servers:
            self._file_servers[node] = self._ask(self._directory.file_server.remote(node))
        if self._file_servers[node] is None:
            del self._file_servers[node]
            return None
        return self._file_servers[node]

    def _ask(self, answer: Any, timeout_s: float = ANSWER_S) -> Any:
        """An answer, None where nobody is there to give it."""
        try:
            return self._ray.get(answer, timeout=timeout_s)
        except self._ray.exceptions.RayError:
            return None


def _on(ray: Any, node_id: str) -> dict[str, Any]:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return {
        "num_cpus": 0,  # takes nothing from the cells
        "scheduling_strategy": NodeAffinitySchedulingStrategy(node_id, soft=False),
    }


def _control(method: Any) -> Any:
    return method.options(concurrency_group="control")
