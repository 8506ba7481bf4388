"""What is said of hosts that differ, and of what somebody should look at."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from grid.cluster.config import Cluster
from grid.cluster.facts import Facts
from grid.cluster.preflight import differences
from grid.cluster.ray_state import RayNode, RayState
from grid.cluster.ssh import Host
from grid.cluster.status import ClusterStatus, HostStatus, warnings_of
from grid.cluster.token import TOKEN_VARIABLE, TokenState
from grid.units import GIB

HEAD, WORKER = "10.1.2.3", "10.1.2.4"
FACTS = Facts(
    name="box",
    hardware_class="chip",
    device_kind="cpu",
    python="3.11.7",
    ray="2.60.0",
    quantgrid="0.1.0",
    code="abc",
    clock=1e9,
    free_bytes=100 * GIB,
    token=TokenState(exists=True, fingerprint="f"),
)
CLUSTER = Cluster(
    path=Path("cluster.yaml"),
    name="rack",
    provider="local",
    head=Host(address=HEAD),
    workers=(Host(address=WORKER),),
    head_ip=HEAD,
)
NODES = tuple(RayNode(address=address, name=address, alive=True) for address in (HEAD, WORKER))


@pytest.fixture(autouse=True)
def no_token_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, str(tmp_path / "none"))


def against_the_head(**changed: object) -> list[str]:
    return differences({HEAD: FACTS, WORKER: msgspec.structs.replace(FACTS, **changed)}, HEAD)


def warnings_for(
    ray_state: RayState, worker: Facts | None = FACTS, head: Facts = FACTS
) -> list[str]:
    facts = {HEAD: head} | ({WORKER: worker} if worker else {})
    hosts = [
        HostStatus(
            address=address,
            role="worker",
            answers=address in facts,
            alive=ray_state.is_alive(address),
            problem="" if address in facts else "it does not answer",
        )
        for address in (HEAD, WORKER)
    ]
    return warnings_of(CLUSTER, hosts, ray_state, facts)


def test_hosts_that_are_alike_are_not_mentioned() -> None:
    assert against_the_head(name="mini", hardware_class="another", free_bytes=GIB) == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"python": "3.11.9"}, "Python 3.11.9, the head has 3.11.7: Ray takes no other patch"),
        ({"ray": "2.59.0"}, "Ray 2.59.0, the head has 2.60.0"),
        ({"quantgrid": "0.2.0", "code": "x"}, "quantgrid 0.2.0, the head has 0.1.0"),
        ({"code": "x"}, "quantgrid's code is not that of the head"),
        ({"token": TokenState(exists=True, fingerprint="g")}, "another token than the head"),
        ({"clock_offset_s": 300.0}, "the clock is 5 min ahead of the head's"),
        ({"clock_offset_s": -240.0}, "the clock is 4 min behind the head's"),
    ],
)
def test_what_differs_is_one_line_with_the_host(changed: dict[str, object], expected: str) -> None:
    (line,) = against_the_head(**changed)
    assert line.startswith(f"{WORKER}: {expected}")
    assert "\n" not in line


def test_a_second_is_no_difference_of_clocks() -> None:
    assert against_the_head(clock_offset_s=1.5) == []


def test_clocks_are_compared_with_each_other_not_with_the_asker() -> None:
    off = msgspec.structs.replace(FACTS, clock_offset_s=3600.0)
    assert differences({HEAD: off, WORKER: off}, HEAD) == []


def test_hosts_are_compared_with_the_first_where_the_head_is_missing() -> None:
    older = msgspec.structs.replace(FACTS, ray="2.59.0")
    (line,) = differences({"a": FACTS, "b": older}, HEAD)
    assert line.startswith("b: Ray 2.59.0, a has 2.60.0")


def test_a_whole_cluster_has_no_warning() -> None:
    assert warnings_for(RayState(gcs="x", nodes=NODES)) == []


def test_dead_worker_is_named_with_the_command_that_starts_it() -> None:
    (line,) = warnings_for(RayState(gcs="x", nodes=NODES[:1]))
    assert line == f"{WORKER}: not alive in Ray; `grid cluster up` starts it"


def test_a_dead_node_that_ray_remembers_is_not_alive() -> None:
    dead = msgspec.structs.replace(NODES[1], alive=False)
    assert not RayState(nodes=(NODES[0], dead)).is_alive(WORKER)


def test_worker_that_is_being_set_up_is_said_to_be() -> None:
    ray_state = RayState(gcs="x", nodes=NODES[:1], workers={WORKER: "setting-up"})
    assert warnings_for(ray_state) == [f"{WORKER}: not alive in Ray; it is being set up"]


def test_host_named_by_name_is_alive_by_its_number() -> None:
    ray_state = RayState(nodes=NODES, resolved={"mini.local": WORKER})
    assert ray_state.is_alive("mini.local")


def test_a_silent_host_is_named_once() -> None:
    warnings = warnings_for(RayState(gcs="x", nodes=NODES[:1]), worker=None)
    assert warnings == [f"{WORKER}: it does not answer"]


def test_an_open_port_is_a_warning() -> None:
    state = RayState(gcs="x", nodes=NODES, open_ports=("10.1.2.3:8265 (dashboard)",))
    (line,) = warnings_for(state)
    assert line.startswith("10.1.2.3:8265 (dashboard): answers without a token")


def test_token_that_others_can_read_is_a_warning_on_each_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine"
    mine.write_text("token")
    mine.chmod(0o640)
    monkeypatch.setenv(TOKEN_VARIABLE, str(mine))
    loose = msgspec.structs.replace(
        FACTS, token=TokenState(exists=True, readable=True, fingerprint="f")
    )
    worker_warning, own_warning = warnings_for(RayState(gcs="x", nodes=NODES), worker=loose)
    assert worker_warning.startswith(f"{WORKER}: others can read the token file")
    assert own_warning.endswith(f"chmod 600 {mine}")


def test_little_disk_is_a_warning() -> None:
    full = msgspec.structs.replace(FACTS, free_bytes=GIB)
    assert warnings_for(RayState(gcs="x", nodes=NODES), worker=full) == [
        f"{WORKER}: 1 GiB of disk left for the cache"
    ]


@pytest.mark.parametrize(
    ("head_answers", "warnings", "code"), [(True, (), 0), (True, ("w",), 1), (False, ("w",), 3)]
)
def test_exit_code_of_a_cluster_status(
    head_answers: bool, warnings: tuple[str, ...], code: int
) -> None:
    status = ClusterStatus(name="rack", head_answers=head_answers, hosts=(), warnings=warnings)
    assert status.exit_code == code
