"""Nodes and processes that die while a sweep runs: the store afterwards has every cell once."""

from __future__ import annotations

import signal
import time

from cluster.checks import alone, exactly_once, one_final_each
from cluster.clusters import Cluster
from cluster.driving import (
    TOY,
    Driver,
    cells_restarted,
    ended_cells,
    expected_cells,
    started_cells,
)
from cluster.hosts import Host, Rack
from cluster.machine import wait_for

SEEN_S = 45.0
"""Within which the loss of a node must be seen and its cells be queued again."""


def begin(cluster: Cluster, name: str, cell_s: float) -> Driver:
    """A sweep of 57 cells, in which each of the three hosts has ended one by now."""
    driver = Driver(cluster.head, name, TOY.format(cell_s=cell_s, options=""))
    driver.start()
    hosts = {host.name for host in cluster.hosts}
    driver.wait_for(
        lambda events: {event["node"] for event in ended_cells(events)} == hosts,
        "a cell of each host",
        90,
    )
    return driver


def kill_engine(host: Host, number: signal.Signals) -> None:
    """While a cell of its sleeps."""
    engine = r"-m grid\.engine\.host"
    wait_for(lambda: bool(host.kill(engine, number)), "an engine to kill", 10)


def at_a_cell(driver: Driver, host: Host) -> float:
    """Just after the host has begun a cell; returns when."""
    count = len(started_cells(driver.events(), host.name))
    driver.wait_for(
        lambda events: len(started_cells(events, host.name)) > count, "one more cell", 30
    )
    return time.time()


def requeued(driver: Driver, host: Host, since: float) -> None:
    """The host's loss is seen, and what it was at has begun once more, within SEEN_S."""
    driver.wait_for(
        lambda events: bool(cells_restarted(events, host.name, since)),
        f"{host.name}'s loss",
        SEEN_S,
    )
    assert max(cells_restarted(driver.events(), host.name, since).values()) < SEEN_S


def test_an_engine_that_crashes_in_the_middle_of_a_cell_costs_no_cell(cluster: Cluster) -> None:
    driver = begin(cluster, "crash", cell_s=0.7)
    kill_engine(cluster.hosts[1], signal.SIGSEGV)
    driver.ends(0, 120)
    exactly_once(driver.results(), expected_cells(cluster, driver))
    alone(driver.results())
    assert [event["status"] for event in ended_cells(driver.events()) if event["again"]] == [
        "error"
    ]


def test_an_engine_killed_by_the_system_is_a_row_and_the_sweep_goes_on(cluster: Cluster) -> None:
    driver = begin(cluster, "child", cell_s=0.7)
    kill_engine(cluster.hosts[1], signal.SIGKILL)
    driver.ends(1, 120)
    finals = one_final_each(driver.results(), expected_cells(cluster, driver))
    assert set(finals.values()) == {"ok", "oom"}


def test_a_killed_raylet_costs_no_cell(cluster: Cluster) -> None:
    # On a busy machine a worker outlives its raylet by a second: its cell must not end by then.
    driver = begin(cluster, "raylet", cell_s=1.7)
    mini = cluster.hosts[2]
    since = at_a_cell(driver, mini)
    assert mini.kill("raylet/raylet ")
    requeued(driver, mini, since)
    driver.ends(0, 180)
    exactly_once(driver.results(), expected_cells(cluster, driver))


def test_a_host_cut_off_for_40_s_costs_no_cell(cluster: Cluster, rack: Rack) -> None:
    driver = begin(cluster, "cut", cell_s=2.5)
    mini = cluster.hosts[2]
    since = at_a_cell(driver, mini)
    rack.cut(mini)
    try:
        requeued(driver, mini, since)
        time.sleep(max(0.0, since + 40.0 - time.time()))
    finally:
        rack.restore(mini)
    driver.ends(0, 180)
    exactly_once(driver.results(), expected_cells(cluster, driver))


def test_killed_driver_goes_on_when_started_again(cluster: Cluster) -> None:
    driver = begin(cluster, "driver", cell_s=1.0)
    wait_for(lambda: driver.results().attempts().num_rows > 0, "rows on the disk", 20)
    driver.kill()
    attempts_before = driver.results().attempts().num_rows
    driver.start()
    driver.ends(0, 120)
    exactly_once(driver.results(), expected_cells(cluster, driver))
    (planned, *_) = [event for event in driver.events() if event["event"] == "planned"]
    assert planned["measured"] >= attempts_before


def test_a_node_of_a_new_class_that_joins_meanwhile_is_measured_too(cluster: Cluster) -> None:
    probe = {"chip": "Late chip", "bandwidth": "20GB/s"}
    late = cluster.prepare("late", probe)
    try:
        driver = begin(cluster, "late", cell_s=1.5)
        cluster.join(late, probe)
        driver.ends(0, 180)
        results = driver.results()
        exactly_once(results, expected_cells(cluster, driver))
        own = [row for row in results.final().to_pylist() if row["node"] == "late"]
        assert sum("Late chip" in row["scope"] for row in own) == 16
    finally:
        cluster.leave(late)


def test_a_full_disk_on_one_node_costs_no_cell(cluster: Cluster) -> None:
    mini = cluster.hosts[2]
    cache = mini.home / ".cache" / "quantgrid"
    mini.run(f"mkdir -p {cache} && mount -t tmpfs -o size=64k full {cache}")
    try:
        driver = Driver(cluster.head, "disk", TOY.format(cell_s=1.5, options=""))
        driver.start()
        driver.ends(0, 180)
    finally:
        mini.run(f"umount {cache}")
    results = driver.results()
    exactly_once(results, expected_cells(cluster, driver))
    assert "mini" not in {row["node"] for row in results.final().to_pylist()}
    # It is told that mini gets no more work where three engines failed there; with few left none
    # may come to it a third time, but what it tried has its reason in any case.
    tried = [row for row in results.attempts().to_pylist() if row["node"] == "mini"]
    assert tried
    assert all(row["status"] == "error" and "no room" in row["reason"] for row in tried)


def test_without_its_head_the_driver_ends_and_resumes_after_ray_up(cluster: Cluster) -> None:
    driver = begin(cluster, "gcs", cell_s=1.0)
    assert cluster.head.kill("gcs_server")
    driver.ends(3, 60)
    assert "the same command" in driver.output()
    results = driver.results()
    assert results.problems == []
    assert results.final().num_rows > 0
    cluster.up()
    driver.start()
    driver.ends(0, 120)
    exactly_once(driver.results(), expected_cells(cluster, driver))
