"""What a running sweep leaves in its store, and how a reader tells the living from the dead."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_sweep import FAKE_SWEEP, Run
from results_cells import cell, measurement_of
from test_results_s3 import endpoint, uri  # noqa: F401  (fixtures)

from grid.results import open_store
from grid.results.compact import compact
from grid.results.heartbeat import (
    EVERY_S,
    STALE_S,
    Heartbeat,
    RunningSweep,
    heartbeat_file,
    running_sweeps,
)
from grid.results.location import Location
from grid.results.merge import merge
from grid.results.store import Store

NOW = 1_800_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def written_store(tmp_path: Path) -> Iterator[Path]:
    """A store that this process writes."""
    with Store(tmp_path / "rows").writer():
        yield tmp_path / "rows"


def make_heartbeat(store: Path, clock: Clock, sweep_id: str = "abc") -> Heartbeat:
    return Heartbeat(Location(store), "quick", sweep_id, clock)


def test_a_sweep_with_a_fresh_heartbeat_is_alive(written_store: Path, clock: Clock) -> None:
    make_heartbeat(written_store, clock).update(
        cells=10, done=3, failed=1, nodes=("a", "b"), now="small F16 tg64"
    )
    (sweep,) = running_sweeps(written_store, clock.now)
    assert sweep.is_alive
    assert (sweep.status.sweep, sweep.status.done, sweep.status.cells) == ("quick", 3, 10)
    assert sweep.status.nodes == ("a", "b")
    assert sweep.status.pid == os.getpid()


def test_heartbeat_is_written_at_most_every_five_seconds(written_store: Path, clock: Clock) -> None:
    heartbeat = make_heartbeat(written_store, clock)
    heartbeat.update(done=1)
    clock.now += EVERY_S - 0.1
    heartbeat.update(done=2)
    assert [sweep.status.done for sweep in running_sweeps(written_store, clock.now)] == [1]
    clock.now += 0.2
    heartbeat.update(done=3)
    assert [sweep.status.done for sweep in running_sweeps(written_store, clock.now)] == [3]


def test_a_sweep_silent_for_a_minute_is_dead(written_store: Path, clock: Clock) -> None:
    make_heartbeat(written_store, clock).update(done=1)
    assert running_sweeps(written_store, clock.now + STALE_S - 1)[0].is_alive
    (sweep,) = running_sweeps(written_store, clock.now + STALE_S + 1)
    assert "nothing was heard of it" in sweep.why_dead


def test_a_sweep_without_its_lock_is_dead(tmp_path: Path, clock: Clock) -> None:
    with Store(tmp_path).writer():
        make_heartbeat(tmp_path, clock).update(done=1)
    (sweep,) = running_sweeps(tmp_path, clock.now)
    assert sweep.why_dead == "it no longer holds the store"


def test_a_sweep_whose_store_another_sweep_holds_is_dead(written_store: Path, clock: Clock) -> None:
    make_heartbeat(written_store, clock).update(done=1)
    lock = written_store / "writer.lock"
    lock.write_text(json.dumps({**json.loads(lock.read_text()), "pid": os.getpid() + 1}))
    assert not running_sweeps(written_store, clock.now)[0].is_alive


def test_ending_a_heartbeat_removes_its_file(written_store: Path, clock: Clock) -> None:
    heartbeat = make_heartbeat(written_store, clock)
    heartbeat.update(done=1)
    heartbeat.end()
    assert running_sweeps(written_store, clock.now) == []
    assert [path.name for path in written_store.iterdir()] == ["writer.lock"]


def test_a_new_heartbeat_removes_those_of_dead_sweeps(written_store: Path, clock: Clock) -> None:
    make_heartbeat(written_store, clock, "dead").update(done=1)
    (written_store / "running-dead.json.0a1b2c3d.part").write_bytes(b"half")
    (written_store / "running-notes.txt").write_text("mine")
    heartbeat = make_heartbeat(written_store, clock, "alive")
    heartbeat.begin()
    heartbeat.update(done=0)
    names = sorted(path.name for path in written_store.iterdir())
    assert names == [heartbeat_file("alive"), "running-notes.txt", "writer.lock"]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"sweep": 1}', b"\xff\xfe"])
def test_a_file_that_is_no_heartbeat_is_ignored(written_store: Path, content: bytes) -> None:
    (written_store / heartbeat_file("abc")).write_bytes(content)
    assert running_sweeps(written_store) == []


def test_a_heartbeat_with_an_invalid_time_is_of_a_dead_sweep(written_store: Path) -> None:
    content = {"sweep": "s", "sweep_id": "abc", "updated": "yesterday"}
    (written_store / heartbeat_file("abc")).write_text(json.dumps(content))
    assert not running_sweeps(written_store)[0].is_alive


def test_readers_compaction_and_merging_leave_heartbeats_alone(
    tmp_path: Path, clock: Clock
) -> None:
    for quant in ("Q4_0", "Q8_0"):
        with Store(tmp_path / "a").writer() as writer:
            planned = cell(quant)
            writer.add(planned, measurement_of(planned), (), node=None, sweep_id="s", sweep="q")
    make_heartbeat(tmp_path / "a", clock).update(done=1)
    assert open_store(tmp_path / "a").problems == []
    assert compact(tmp_path / "a").problems == []
    assert merge([tmp_path / "a"], tmp_path / "b")[0].added == 2
    assert (tmp_path / "a" / heartbeat_file("abc")).exists()
    assert not (tmp_path / "b" / heartbeat_file("abc")).exists()


def test_heartbeats_work_on_an_object_store(uri: str, clock: Clock) -> None:  # noqa: F811
    with Store(uri).writer():
        heartbeat = Heartbeat(Location(uri), "quick", "abc", clock)
        heartbeat.begin()
        heartbeat.update(done=7)
        (sweep,) = running_sweeps(uri, clock.now)
        assert sweep.is_alive
        assert sweep.status.done == 7
        heartbeat.end()
        assert running_sweeps(uri, clock.now) == []


def test_a_heartbeat_that_cannot_be_written_stops_no_sweep(tmp_path: Path, clock: Clock) -> None:
    heartbeat = make_heartbeat(tmp_path / "gone", clock)
    heartbeat.begin()
    heartbeat.update(done=1)
    heartbeat.end()
    assert running_sweeps(tmp_path / "gone") == []


def test_a_store_that_does_not_exist_has_no_running_sweep(tmp_path: Path) -> None:
    assert running_sweeps(tmp_path / "none") == []


def wait_until(is_met: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait for a condition while a process runs; one that ends meanwhile fails the test."""
    deadline = time.monotonic() + 60
    while not is_met():
        assert time.monotonic() < deadline, "it never came"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.05)


def start_sweep(folder: Path) -> subprocess.Popen[str]:
    """A sweep whose cells take their time."""
    (folder / "toy.toml").write_text(FAKE_SWEEP + "[options.fake]\ncell_s = 0.5\n")
    command = [sys.executable, "-m", "grid", "sweep", "toy.toml", "--store", "rows"]
    return subprocess.Popen(
        [*command, "--executor", "inline"], cwd=folder, env=os.environ.copy(),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def running_sweep(folder: Path) -> RunningSweep | None:
    return next(iter(running_sweeps(folder / "rows")), None)


def test_a_sweep_has_a_heartbeat_until_it_ends(toy: Path, grid: Run) -> None:
    process = start_sweep(toy)
    try:
        wait_until(
            lambda: any(sweep.status.done for sweep in running_sweeps(toy / "rows")), process
        )
        running = running_sweep(toy)
        assert running is not None
        assert running.is_alive
        assert running.status.cells == 41
        assert running.status.sweep == "toy"
        assert running.status.pid == process.pid
        assert running.status.now.startswith("toy ")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert running_sweep(toy) is None


def test_a_killed_sweep_is_dead(toy: Path) -> None:
    process = start_sweep(toy)
    wait_until(lambda: running_sweep(toy) is not None, process)
    process.kill()
    process.communicate(timeout=30)
    (sweep,) = running_sweeps(toy / "rows", time.time() + STALE_S + 1)
    assert not sweep.is_alive
