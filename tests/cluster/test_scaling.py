"""What more hosts are worth."""

from __future__ import annotations

from cluster.checks import exactly_once
from cluster.clusters import Cluster
from cluster.driving import TOY, Driver, expected_cells

SLEEPING = 'measures = ["quality", "tasks"]\n' + TOY.replace("ref:small", "ref:*")
"""50 cells that any host may run, of 8 artifacts."""


def took(driver: Driver) -> tuple[float, float]:
    """Seconds from the command to the first cell, and from there to the last."""
    events = driver.events()
    first = next(event["at"] for event in events if event["event"] == "started")
    last = [event["at"] for event in events if event["event"] == "finished"][-1]
    return first - driver.began_at, last - first


def test_three_hosts_take_a_third_of_one_hosts_time(cluster: Cluster) -> None:
    sweep = SLEEPING.format(cell_s=0.7, options="")
    single = Driver(cluster.head, "one", sweep, "--address auto --nodes '*slow chip*'")
    three = Driver(cluster.head, "three", sweep)
    for driver in (single, three):
        driver.start()
        driver.ends(0, 120)
        exactly_once(driver.results(), expected_cells(cluster, driver))
    (_, alone), (start, together) = took(single), took(three)
    assert start + together <= 1.15 * (alone / 3 + start), (start, together, alone)
