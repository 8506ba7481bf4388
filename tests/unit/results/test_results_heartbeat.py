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
from conftest import FAKE_SWEEP, Run
from results_cells import cell, measured
from test_results_s3 import endpoint, uri  # noqa: F401  (fixtures)

from grid.results import open_store
from grid.results.compact import compact
from grid.results.heartbeat import (
    EVERY_S,
    STALE_S,
    Heartbeat,
    RunningSweep,
    file_name,
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
def held(tmp_path: Path) -> Iterator[Path]:
    """A store that this process writes."""
    with Store(tmp_path / "rows").writer():
        yield tmp_path / "rows"


def sign(store: Path, clock: Clock, sweep_id: str = "abc") -> Heartbeat:
    return Heartbeat(Location(store), "quick", sweep_id, clock)


def test_a_sweep_that_writes_is_seen_to_run(held: Path, clock: Clock) -> None:
    sign(held, clock).update(cells=10, done=3, failed=1, nodes=("a", "b"), now="small F16 tg64")
    (sweep,) = running_sweeps(held, clock.now)
    assert sweep.alive
    assert (sweep.status.sweep, sweep.status.done, sweep.status.cells) == ("quick", 3, 10)
    assert sweep.status.nodes == ("a", "b")
    assert sweep.status.pid == os.getpid()


def test_it_is_written_at_most_every_five_seconds(held: Path, clock: Clock) -> None:
    heartbeat = sign(held, clock)
    heartbeat.update(done=1)
    clock.now += EVERY_S - 0.1
    heartbeat.update(done=2)
    assert [sweep.status.done for sweep in running_sweeps(held, clock.now)] == [1]
    clock.now += 0.2
    heartbeat.update(done=3)
    assert [sweep.status.done for sweep in running_sweeps(held, clock.now)] == [3]


def test_one_that_is_silent_for_a_minute_is_dead(held: Path, clock: Clock) -> None:
    sign(held, clock).update(done=1)
    assert running_sweeps(held, clock.now + STALE_S - 1)[0].alive
    (sweep,) = running_sweeps(held, clock.now + STALE_S + 1)
    assert "nothing was heard of it" in sweep.dead


def test_one_whose_lock_is_gone_is_dead(tmp_path: Path, clock: Clock) -> None:
    with Store(tmp_path).writer():
        sign(tmp_path, clock).update(done=1)
    (sweep,) = running_sweeps(tmp_path, clock.now)
    assert sweep.dead == "it no longer holds the store"


def test_one_whose_store_another_sweep_holds_is_dead(held: Path, clock: Clock) -> None:
    sign(held, clock).update(done=1)
    lock = held / "writer.lock"
    lock.write_text(json.dumps({**json.loads(lock.read_text()), "pid": os.getpid() + 1}))
    assert not running_sweeps(held, clock.now)[0].alive


def test_the_end_leaves_nothing(held: Path, clock: Clock) -> None:
    heartbeat = sign(held, clock)
    heartbeat.update(done=1)
    heartbeat.end()
    assert running_sweeps(held, clock.now) == []
    assert [path.name for path in held.iterdir()] == ["writer.lock"]


def test_the_next_sweep_clears_what_dead_ones_left(held: Path, clock: Clock) -> None:
    sign(held, clock, "dead").update(done=1)
    (held / "running-dead.json.0a1b2c3d.part").write_bytes(b"half")
    (held / "running-notes.txt").write_text("mine")
    heartbeat = sign(held, clock, "alive")
    heartbeat.begin()
    heartbeat.update(done=0)
    names = sorted(path.name for path in held.iterdir())
    assert names == [file_name("alive"), "running-notes.txt", "writer.lock"]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"sweep": 1}', b"\xff\xfe"])
def test_a_file_that_is_no_sign_is_passed_over(held: Path, content: bytes) -> None:
    (held / file_name("abc")).write_bytes(content)
    assert running_sweeps(held) == []


def test_a_time_that_is_none_is_a_dead_sweep(held: Path) -> None:
    content = {"sweep": "s", "sweep_id": "abc", "updated": "yesterday"}
    (held / file_name("abc")).write_text(json.dumps(content))
    assert not running_sweeps(held)[0].alive


def test_readers_of_rows_compaction_and_merging_leave_it_alone(
    tmp_path: Path, clock: Clock
) -> None:
    for quant in ("Q4_0", "Q8_0"):
        with Store(tmp_path / "a").writer() as writer:
            planned = cell(quant)
            writer.add(planned, measured(planned), (), node=None, sweep_id="s", sweep="q")
    sign(tmp_path / "a", clock).update(done=1)
    assert open_store(tmp_path / "a").problems == []
    assert compact(tmp_path / "a").problems == []
    assert merge([tmp_path / "a"], tmp_path / "b")[0].added == 2
    assert (tmp_path / "a" / file_name("abc")).exists()
    assert not (tmp_path / "b" / file_name("abc")).exists()


def test_on_an_object_store_it_is_the_same(uri: str, clock: Clock) -> None:  # noqa: F811
    with Store(uri).writer():
        heartbeat = Heartbeat(Location(uri), "quick", "abc", clock)
        heartbeat.begin()
        heartbeat.update(done=7)
        (sweep,) = running_sweeps(uri, clock.now)
        assert sweep.alive
        assert sweep.status.done == 7
        heartbeat.end()
        assert running_sweeps(uri, clock.now) == []


def test_a_store_that_takes_no_file_stops_no_sweep(tmp_path: Path, clock: Clock) -> None:
    heartbeat = sign(tmp_path / "gone", clock)
    heartbeat.begin()
    heartbeat.update(done=1)
    heartbeat.end()
    assert running_sweeps(tmp_path / "gone") == []


def test_a_store_that_does_not_exist_has_no_sweep(tmp_path: Path) -> None:
    assert running_sweeps(tmp_path / "none") == []


def until(is_met: Callable[[], bool], deadline_s: float = 60.0) -> None:
    end = time.monotonic() + deadline_s
    while not is_met():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


def started(folder: Path) -> subprocess.Popen[str]:
    """A sweep whose cells take their time."""
    (folder / "toy.toml").write_text(FAKE_SWEEP + "[options.fake]\ncell_s = 0.5\n")
    command = [sys.executable, "-m", "grid", "sweep", "toy.toml", "--store", "rows"]
    return subprocess.Popen(
        [*command, "--executor", "inline"], cwd=folder, env=os.environ.copy(),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def only(folder: Path) -> RunningSweep | None:
    return next(iter(running_sweeps(folder / "rows")), None)


def test_a_sweep_says_how_far_it_is_and_nothing_when_it_ended(toy: Path, grid: Run) -> None:
    process = started(toy)
    try:
        until(lambda: (sweep := only(toy)) is not None and sweep.status.done > 0)
        seen = only(toy)
        assert seen is not None
        assert seen.alive
        assert seen.status.cells == 41
        assert seen.status.sweep == "toy"
        assert seen.status.pid == process.pid
        assert seen.status.now.startswith("toy ")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert only(toy) is None


def test_a_killed_sweep_is_seen_to_be_dead(toy: Path) -> None:
    process = started(toy)
    until(lambda: only(toy) is not None)
    process.kill()
    process.communicate(timeout=30)
    (sweep,) = running_sweeps(toy / "rows", time.time() + STALE_S + 1)
    assert not sweep.alive
