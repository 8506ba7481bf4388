"""Peers over a real Ray of three raylets, each with a cache of its own."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.ray

KEY = "artifact/big"
SIZE = 200_000_000
PAUSE_AT = 60_000_000
VARIABLES = {
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_memory_monitor_refresh_ms": "0",
}


class Getter:
    """A node's worker, as far as it obtains things."""

    def __init__(self, cache: str, directory: Any, me: str) -> None:
        from grid.sweep.artifacts.obtain import Sharing
        from grid.sweep.artifacts.ray_peers import RayPeers

        os.environ["QUANTGRID_CACHE"] = cache
        self.made = 0
        self._peers = RayPeers(directory, me)
        self._sharing = Sharing(self._peers)

    def obtain(self, key: str, name: str, size: int) -> tuple[int, list[str]]:
        """Times that it was made here, and from whom it came."""
        from grid.sweep.events import Event, Prepared

        thing = _thing(key, name)

        def make() -> Iterator[Event]:
            self.made += 1
            time.sleep(0.5)  # as long as others may ask meanwhile
            thing.home.mkdir(parents=True)
            thing.path.write_bytes(os.urandom(size))
            yield Prepared(what="quantize", label=name, wall_s=0.0, engine_s=0.0)
            return thing.path

        find = lambda: thing.path if thing.path.exists() else None  # noqa: E731
        events = list(self._sharing.obtain(thing, find, make))
        return self.made, [e.label for e in events if isinstance(e, Prepared)]

    def fetch(self, key: str, name: str, pause: str) -> str:
        """Takes it from a peer; waits for the file `pause` when part of it has come."""
        from grid.sweep.artifacts.transfer import fetch

        thing = _thing(key, name)
        claim = self._peers.claim(key)
        assert claim.manifest is not None
        there = thing.stage / "files" / name

        def say(line: str) -> None:
            if pause and there.stat().st_size >= PAUSE_AT:
                reached = Path(pause + ".reached")
                if not reached.exists():
                    reached.with_suffix(".new").write_text(claim.holders[0])
                    reached.with_suffix(".new").rename(reached)
                while not Path(pause).exists():
                    time.sleep(0.01)

        return fetch(self._peers, key, claim.holders, claim.manifest, name, thing.stage, say)

    def quiet(self, seconds: float) -> None:
        self._peers.quiet(seconds)


def _thing(key: str, name: str) -> Any:
    from grid.cache import cache_dir
    from grid.sweep.artifacts.obtain import Thing

    return Thing(key, name, cache_dir() / "artifacts" / key.partition("/")[2], name)


class Nodes:
    """Three raylets, each with a porter and a getter: `a`, `b`, and the head `c`."""

    def __init__(self, top: Path) -> None:
        import ray
        from ray.cluster_utils import Cluster

        from grid.sweep.artifacts.ray_peers import introduce, start_directory, start_porter

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
        self.porters = {}
        for name, raylet in self.raylets.items():
            self.porters[name] = start_porter(ray, raylet.node_id, str(self.cache(name)))
            introduce(ray, self.directory, name, self.porters[name])
        self.getters = {name: self.getter(name) for name in self.raylets}

    def cache(self, name: str) -> Path:
        return self.top / name

    def getter(self, name: str) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        pinned = NodeAffinitySchedulingStrategy(self.raylets[name].node_id, soft=False)
        return (
            self.ray.remote(Getter)
            .options(num_cpus=0, scheduling_strategy=pinned)
            .remote(str(self.cache(name)), self.directory, name)
        )

    def close(self) -> None:
        self.ray.shutdown()
        self.cluster.shutdown()


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))  # workers import Getter
    found = Nodes(tmp_path)
    yield found
    found.close()


def _wait_for(path: Path, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.01)


def test_one_makes_the_others_take_it_and_a_dead_holder_is_replaced(nodes: Nodes) -> None:
    """One cluster for all of it: it takes ten seconds to come up."""
    get, getters = nodes.ray.get, nodes.getters

    both = [getters[name].obtain.remote(KEY, "weights.x", SIZE) for name in ("a", "b")]
    made, givers = zip(*get(both, timeout=120), strict=True)
    assert sorted(made) == [0, 1]
    maker, taker = ("a", "b") if made[0] else ("b", "a")
    assert givers[made.index(0)] == [f"weights.x from {socket.gethostname()}"]
    paths = {n: nodes.cache(n) / "artifacts" / "big" / "weights.x" for n in ("a", "b")}
    assert paths[maker].read_bytes() == paths[taker].read_bytes()

    go = nodes.top / "go"
    fetching = getters["c"].fetch.remote(KEY, "weights.x", str(go))
    _wait_for(nodes.top / "go.reached")
    giver = (nodes.top / "go.reached").read_text()
    other = {"a": "b", "b": "a"}[giver]
    part = nodes.cache("c") / "incoming" / "artifact-big" / "files" / "weights.x"
    assert PAUSE_AT <= part.stat().st_size < SIZE
    nodes.cluster.remove_node(nodes.raylets[giver], allow_graceful=False)
    go.touch()
    assert get(fetching, timeout=120) == other
    assert part.read_bytes() == paths[other].read_bytes()
    get(nodes.directory.forget.remote(giver))  # as the driver does when a node leaves
    assert get(nodes.directory.claim.remote("nobody", KEY)).holders == (other,)

    assert get(getters[other].obtain.remote("artifact/small", "weights.x", 1000)) == (
        made["ab".index(other)] + 1,
        ["weights.x"],
    )
    get(getters[other].quiet.remote(600.0))
    waiting = getters["c"].fetch.remote("artifact/small", "weights.x", "")
    assert nodes.ray.wait([waiting], timeout=2)[0] == []
    get(getters[other].quiet.remote(0.0))
    assert get(waiting, timeout=60) == other
