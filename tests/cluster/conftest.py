"""One cluster for all tests that leave it whole: three hosts, two hardware classes, `ray up`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cluster.clusters import FAST, SLOW, Cluster, install_fake
from cluster.hosts import Rack
from cluster.machine import missing

WHY_NOT = missing()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The folder's tests need root and some packages; without them they say what is missing."""
    for item in items:
        if item.path.is_relative_to(__file__.rpartition("/")[0]):
            item.add_marker(pytest.mark.cluster)
            if WHY_NOT:
                item.add_marker(pytest.mark.skip(reason=WHY_NOT))


@pytest.fixture(scope="session")
def rack() -> Iterator[Rack]:
    with Rack() as hosts:
        yield hosts


@pytest.fixture(scope="session")
def running(rack: Rack) -> Cluster:
    """The head `box` is slow, the workers `gamer` and `mini` are fast; each has the tests'
    backend."""
    cluster = Cluster(rack, {"box": SLOW, "gamer": FAST, "mini": FAST})
    cluster.up()
    for host in cluster.hosts:
        install_fake(host)
    return cluster


@pytest.fixture
def cluster(running: Cluster) -> Cluster:
    """All three hosts alive, as the last test's faults have healed by now."""
    running.wait_alive({host.address for host in running.hosts}, seconds=150.0)
    return running
