"""Peers over a real Ray of three raylets, each with a cache of its own."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.ray

KEY = "artifact/big"
SIZE = 200_000_000
PAUSE_AT = 60_000_000
PATIENCE_S = 120.0
VARIABLES = {
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "10000",  # a busy machine is not taken for a dead node
    "RAY_health_check_failure_threshold": "3",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_memory_monitor_refresh_ms": "0",
}


class Getter:
    """A node's worker, as far as it obtains items."""

    def __init__(self, cache: str, directory: Any, me: str) -> None:
        from grid.sweep.artifacts.obtain import Sharing
        from grid.sweep.artifacts.ray_peers import RayPeers

        os.environ["QUANTGRID_CACHE"] = cache
        self.times_made = 0
        self._peers = RayPeers(directory, me)
        self._sharing = Sharing(self._peers)

    def obtain(self, key: str, name: str, size: int) -> tuple[int, list[str]]:
        """Times that it was made here, and from whom it came."""
        from grid.sweep.events import Event, Prepared

        item = _item(key, name)

        def make() -> Iterator[Event]:
            self.times_made += 1
            item.home.mkdir(parents=True)
            item.path.write_bytes(os.urandom(size))
            yield Prepared(what="quantize", label=name, wall_s=0.0, engine_s=0.0)
            return item.path

        find = lambda: item.path if item.path.exists() else None  # noqa: E731
        events = list(self._sharing.obtain(item, find, make))
        return self.times_made, [e.label for e in events if isinstance(e, Prepared)]

    def fetch(self, key: str, name: str, gate: Any = None) -> str:
        """Takes it from a peer; passes the gate whenever more than `PAUSE_AT` bytes have come."""
        import ray

        from grid.sweep.artifacts.transfer import fetch

        item = _item(key, name)
        claim = self._peers.claim(key)
        assert claim.manifest is not None
        part = item.stage / "files" / name

        def on_line(line: str) -> None:
            if gate is not None and part.stat().st_size >= PAUSE_AT:
                ray.get(gate.enter.remote(claim.holders[0]), timeout=PATIENCE_S)

        return fetch(self._peers, key, claim.holders, claim.manifest, name, item.stage, on_line)

    def pause_transfers(self, seconds: float) -> None:
        self._peers.pause_transfers(seconds)


class Gate:
    """Holds whoever enters until it is opened."""

    def __init__(self) -> None:
        self._entered = asyncio.Event()
        self._opened = asyncio.Event()
        self._giver = ""

    async def enter(self, giver: str) -> None:
        self._giver = self._giver or giver
        self._entered.set()
        await self._opened.wait()

    async def first_giver(self) -> str:
        """From whom the first to enter takes its files."""
        await self._entered.wait()
        return self._giver

    async def open(self) -> None:
        self._opened.set()


def _item(key: str, name: str) -> Any:
    from grid.cache import cache_dir
    from grid.sweep.artifacts.obtain import CachedItem

    return CachedItem(key, name, cache_dir() / "artifacts" / key.partition("/")[2], name)


class Nodes:
    """Three raylets, each with a file server and a getter: `a`, `b`, and the head `c`."""

    def __init__(self, top: Path) -> None:
        import ray
        from ray.cluster_utils import Cluster

        from grid.sweep.artifacts.ray_peers import introduce, start_directory, start_file_server

        self.ray, self.top = ray, top
        store = {"object_store_memory": 80 * 2**20, "num_cpus": 2}
        self.cluster: Any = Cluster(
            initialize_head=True,
            head_node_args={**store, "include_dashboard": False},
        )
        self.raylets = {"a": self.cluster.add_node(**store), "b": self.cluster.add_node(**store)}
        self.raylets["c"] = self.cluster.head_node
        ray.init(address=self.cluster.address, log_to_driver=False)
        self.directory = start_directory(ray)
        self.file_servers = {}
        for name, raylet in self.raylets.items():
            self.file_servers[name] = start_file_server(ray, raylet.node_id, str(self.cache(name)))
            introduce(ray, self.directory, name, self.file_servers[name])
        self.getters = {name: self.getter(name) for name in self.raylets}

    def cache(self, name: str) -> Path:
        return self.top / name

    def getter(self, name: str) -> Any:
        cache = str(self.cache(name))
        return self.ray.remote(Getter).options(**self._on(name)).remote(cache, self.directory, name)

    def _on(self, name: str) -> dict[str, Any]:
        """Options of an actor that runs on the node."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        node_id = self.raylets[name].node_id
        strategy = NodeAffinitySchedulingStrategy(node_id, soft=False)
        return {"num_cpus": 0, "scheduling_strategy": strategy}

    def gate(self) -> Any:
        return self.ray.remote(Gate).options(**self._on("c")).remote()

    def close(self) -> None:
        self.ray.shutdown()
        self.cluster.shutdown()


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))  # workers import Getter
    cluster = Nodes(tmp_path)
    yield cluster
    cluster.close()


def test_one_node_makes_the_others_fetch_and_a_dead_holder_is_replaced(nodes: Nodes) -> None:
    """One cluster for all of it, since it takes ten seconds to come up."""
    get, getters = nodes.ray.get, nodes.getters

    answers = [getters[name].obtain.remote(KEY, "weights.x", SIZE) for name in ("a", "b")]
    times_made, givers = zip(*get(answers, timeout=120), strict=True)
    assert sorted(times_made) == [0, 1]
    maker, taker = ("a", "b") if times_made[0] else ("b", "a")
    assert givers[times_made.index(0)] == [f"weights.x from {socket.gethostname()}"]
    paths = {n: nodes.cache(n) / "artifacts" / "big" / "weights.x" for n in ("a", "b")}
    assert paths[maker].read_bytes() == paths[taker].read_bytes()

    gate = nodes.gate()
    fetching = getters["c"].fetch.remote(KEY, "weights.x", gate)
    giver = get(gate.first_giver.remote(), timeout=PATIENCE_S)
    other_node = {"a": "b", "b": "a"}[giver]
    part = nodes.cache("c") / "incoming" / "artifact-big" / "files" / "weights.x"
    assert PAUSE_AT <= part.stat().st_size < SIZE
    nodes.cluster.remove_node(nodes.raylets[giver], allow_graceful=False)
    get(gate.open.remote(), timeout=PATIENCE_S)
    assert get(fetching, timeout=120) == other_node
    assert part.read_bytes() == paths[other_node].read_bytes()
    get(nodes.directory.forget.remote(giver))  # as the driver does when a node leaves
    assert get(nodes.directory.claim.remote("nobody", KEY)).holders == (other_node,)

    assert get(getters[other_node].obtain.remote("artifact/small", "weights.x", 1000)) == (
        times_made["ab".index(other_node)] + 1,
        ["weights.x"],
    )
    get(getters[other_node].pause_transfers.remote(600.0))
    waiting = getters["c"].fetch.remote("artifact/small", "weights.x")
    assert nodes.ray.wait([waiting], timeout=2)[0] == []
    get(getters[other_node].pause_transfers.remote(0.0))
    assert get(waiting, timeout=60) == other_node
