"""What a user or a machine can have wrong: one line says it, and nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import grid
from cluster.checks import exactly_once
from cluster.clusters import Cluster
from cluster.driving import TOY, Driver, expected_cells, notes
from cluster.hosts import SUBNET, Host
from cluster.machine import wait_for

LATE = {"chip": "Late chip", "bandwidth": "20GB/s"}
QUICK = TOY.format(cell_s=0.1, options="")
TEN_MINUTES_AHEAD = "import time; time.time = lambda t=time: t.time_ns() / 1e9 + 600.0\n"


@pytest.fixture(scope="module")
def late(running: Cluster) -> Iterator[Host]:
    """A fourth host, on which Ray is not started."""
    host = running.prepare("late", LATE)
    yield host
    running.leave(host)


@pytest.fixture
def packages(late: Host) -> Path:
    """Where the fourth host's environment has its packages."""
    (site_packages,) = (late.home / "quantgrid" / ".venv" / "lib").glob("python*/site-packages")
    return site_packages


def status_with(cluster: Cluster, address: str) -> str:
    """What `grid cluster status` says of a file with one more worker; its exit code is 1."""
    cluster.write_file("other.yaml", address)
    done = cluster.grid("cluster status other.yaml", check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("warning: ")]
    matching = [line for line in lines if address in line]
    assert matching == lines, "other hosts are blamed"
    return "\n".join(matching)


def test_a_host_that_does_not_answer_is_named(cluster: Cluster) -> None:
    assert "does not answer" in status_with(cluster, f"{SUBNET}.99")


def test_a_worker_with_another_token_is_named(cluster: Cluster, late: Host) -> None:
    token = late.home / ".ray" / "auth_token"
    right = token.read_text()
    token.write_text("0" * len(right))
    try:
        refused = cluster.start_ray(late, check=False)
        assert refused.returncode != 0
        assert late.address not in cluster.alive()
        assert "another token" in status_with(cluster, late.address)
    finally:
        token.write_text(right)


def test_a_worker_with_another_ray_is_named(cluster: Cluster, late: Host, packages: Path) -> None:
    (metadata,) = packages.glob("ray-*.dist-info/METADATA")
    originals = {path: path.read_text() for path in (metadata, packages / "ray" / "_version.py")}
    for path, text in originals.items():
        path.unlink()  # it may be a link to uv's own copy
        path.write_text(text.replace("2.60.0", "2.59.0"))
    try:
        assert cluster.start_ray(late, check=False).returncode != 0
        assert "2.59.0" in status_with(cluster, late.address)
    finally:
        for path, text in originals.items():
            path.write_text(text)


def test_a_clock_minutes_off_is_named_and_rows_have_the_drivers_time(
    cluster: Cluster, late: Host, packages: Path
) -> None:
    (packages / "ahead.pth").write_text(TEN_MINUTES_AHEAD)
    cluster.join(late, LATE)
    cluster.wait_alive({host.address for host in cluster.hosts})
    assert "10 min ahead" in status_with(cluster, late.address)
    driver = Driver(cluster.head, "clock", QUICK, "--address auto --nodes '*Late chip*'")
    driver.start()
    driver.ends(0, 120)
    assert "clock of late is 10 min ahead" in notes(driver.events())
    times = [row["started_at"].timestamp() for row in driver.results().final().to_pylist()]
    assert len(times) == 41
    assert driver.began_at < min(times) <= max(times) < time.time()


def test_class_that_no_node_has_is_refused_with_the_classes_of_the_nodes(cluster: Cluster) -> None:
    (cluster.file.parent / "toy.toml").write_text(QUICK)
    done = cluster.grid("sweep toy.toml --store none --nodes '*RTX 4090*'", check=False)
    assert done.returncode == 2
    errors = done.stderr.splitlines()[-1]
    assert errors.startswith("grid: ")
    assert "RTX 4090" in errors
    assert "Fast chip" in errors
    assert not list((cluster.file.parent / "none").glob("*.arrow"))


def test_a_full_disk_under_the_store_ends_the_sweep_and_the_same_command_resumes(
    cluster: Cluster,
) -> None:
    driver = Driver(cluster.head, "full", TOY.format(cell_s=0.5, options=""))
    driver.store.mkdir()
    head, store = cluster.head, driver.store
    head.run(f"mount -t tmpfs -o size=8m small {store}")
    try:
        driver.start()
        rows = f"ls {store}/attempts-*"
        wait_for(lambda: head.run(rows, check=False).returncode == 0, "the first rows", 60)
        head.run(f"cat /dev/zero >{store}/filler", check=False)
        driver.ends(3, 60)
        assert "No space left" in driver.output()
        head.run(f"rm {store}/filler")
        driver.start()
        driver.ends(0, 120)
        head.run(f"cp -r {store} {driver.folder}/copy")
    finally:
        head.run(f"umount {store}")
    exactly_once(grid.open(driver.folder / "copy"), expected_cells(cluster, driver))
