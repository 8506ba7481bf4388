"""A sweep driven on a head that ssh reaches, with the fake backend."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from remote_runs import (
    CELLS,
    SWEEP,
    RecordedProgress,
    ask_until,
    driver_of,
    launch,
    launch_hanging,
    status_of,
    wait_until_ended,
    watch,
)
from remote_runs import head as head
from remote_runs import laptop as laptop
from ssh_hosts import SshHost, reason_to_skip

import grid as quantgrid
from grid.cluster.remote import client
from grid.cluster.remote.head import Head
from grid.errors import ClusterLost, InputError
from grid.sweep.events import CellDone, Planned, SweepEnded

pytestmark = pytest.mark.skipif(bool(reason_to_skip()), reason=reason_to_skip())


def test_rows_of_a_run_on_the_head_arrive_in_the_local_store(head: SshHost, laptop: Path) -> None:
    progress = RecordedProgress()
    run = launch(head, progress)
    ended = watch(head, run, progress)
    assert (ended.code, ended.store) == (0, str(laptop / "rows"))
    assert ended.summary is not None
    assert ended.summary["measured"] == CELLS
    assert quantgrid.open("rows").final().num_rows == CELLS
    assert quantgrid.open("rows").problems == []
    assert [step.cells for step in progress.of(Planned)] == [CELLS]
    assert len(progress.of(CellDone)) == CELLS
    assert progress.of(SweepEnded)


def test_the_same_sweep_again_measures_nothing_twice(head: SshHost, laptop: Path) -> None:
    watch(head, launch(head))
    repeated = watch(head, launch(head))
    assert repeated.summary is not None
    assert (repeated.summary["measured"], repeated.summary["already"]) == (0, CELLS)


def test_rows_of_earlier_sweeps_are_brought_to_the_head(
    head: SshHost, laptop: Path, grid: Callable[..., object]
) -> None:
    grid("sweep", "toy.toml", "--store", "rows", "--here")
    ended = watch(head, launch(head))
    assert ended.summary is not None
    assert (ended.summary["measured"], ended.summary["already"]) == (0, CELLS)


def test_broken_connection_is_renewed_and_each_event_arrives_once(
    head: SshHost, laptop: Path
) -> None:
    progress = RecordedProgress()
    run = launch(head, progress)
    breaker = threading.Thread(target=lambda: (progress.wait_for(CellDone), head.drop()))
    breaker.start()
    ended = watch(head, run, progress)
    breaker.join()
    assert ended.code == 0
    assert "trying again" in progress.notes
    cells = [step.cell_id for step in progress.of(CellDone)]
    assert len(cells) == len(set(cells)) == CELLS


def test_attach_finds_the_run_that_nobody_follows(head: SshHost, laptop: Path) -> None:
    run = launch(head)
    head.stop()
    head.start()
    run_status = client.choose_run(head.host, None)
    assert run_status.run.id == run.id
    assert watch(head, run_status.run).code == 0
    assert quantgrid.open("rows").final().num_rows == CELLS


def test_pull_fetches_rows_while_the_driver_works(head: SshHost, laptop: Path) -> None:
    run = launch_hanging(head)
    ask_until(lambda: client.fetch(head.host, run) > 0)
    results = quantgrid.open("rows")
    assert results.final().num_rows > 0
    assert results.metrics().num_rows > 0
    client.fetch(head.host, run, "elsewhere")
    assert quantgrid.open("elsewhere").final().num_rows > 0


def test_stop_flushes_the_rows_and_the_code_says_interrupted(head: SshHost, laptop: Path) -> None:
    run = launch_hanging(head)
    assert Head(head.host).stop(run.id).state == "running"
    ended = watch(head, run)
    assert ended.code == 130
    assert "resumes" in ended.error
    assert quantgrid.open("rows").final().num_rows > 0
    assert status_of(head, run).state == "ended"
    with pytest.raises(InputError, match="ended already"):
        Head(head.host).stop(run.id)


def test_killed_driver_is_an_error_and_the_same_command_resumes(
    head: SshHost, laptop: Path
) -> None:
    run = launch_hanging(head)
    ask_until(lambda: client.fetch(head.host, run) > 0)
    driver_of(head, run).send_signal(signal.SIGKILL)
    with pytest.raises(ClusterLost, match="ended without a word"):
        watch(head, run)
    before = {row["cell_id"] for row in quantgrid.open("rows").final().to_pylist()}
    assert before
    Path("toy.toml").write_text(SWEEP)
    ended = watch(head, launch(head))
    assert (ended.code, ended.summary is not None) == (0, True)
    final = quantgrid.open("rows").final().to_pylist()
    assert {row["status"] for row in final if row["cell_id"] not in before} == {"ok"}


def test_driver_that_vanished_with_its_watcher_is_an_error(head: SshHost, laptop: Path) -> None:
    run = launch_hanging(head)
    driver = driver_of(head, run)
    parent = driver.parent()
    assert parent is not None
    parent.kill()
    assert status_of(head, run).state == "running"
    driver.kill()
    with pytest.raises(ClusterLost, match="ended without a word"):
        watch(head, run)
    assert status_of(head, run).state == "vanished"


def test_a_store_that_a_run_fills_is_refused_with_the_run_to_attach_to(
    head: SshHost, laptop: Path
) -> None:
    run = launch_hanging(head)
    with pytest.raises(InputError, match=f"`grid cluster attach {run.id}`"):
        launch(head)
    second = launch(head, store="others")
    assert second.store != run.store


def test_drivers_error_and_exit_code_come_back(head: SshHost, laptop: Path) -> None:
    Path("toy.toml").write_text(SWEEP.replace('"Q4"', '"Q99"'))
    ended = watch(head, launch(head))
    assert (ended.code, ended.summary) == (2, None)
    assert "Q99" in ended.error


def test_ctrl_c_leaves_the_sweep_alone(head: SshHost, laptop: Path) -> None:
    run = launch_hanging(head)
    progress = RecordedProgress()

    def press() -> None:
        progress.wait_for(CellDone)
        os.kill(os.getpid(), signal.SIGINT)

    # a shell's background job, which a test run may be, inherits that Ctrl-C is ignored
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=press).start()
    try:
        with pytest.raises(client.Detached, match=f"`grid cluster attach {run.id}` comes back"):
            watch(head, run, progress)
    finally:
        signal.signal(signal.SIGINT, before)
    assert status_of(head, run).state == "running"


def test_changed_weights_are_sent_and_unchanged_ones_are_not(head: SshHost, laptop: Path) -> None:
    run = launch_hanging(head)
    Head(head.host).stop(run.id)
    (sent,) = head.home.rglob("toy.fake")
    first = sent.stat().st_ino
    wait_until_ended(head, run)
    run = launch(head)
    assert sent.stat().st_ino == first
    Head(head.host).stop(run.id)
    wait_until_ended(head, run)
    os.utime("toy.fake", (1e9, 1e9))
    launch(head)
    assert sent.stat().st_mtime == 1e9


def test_a_head_without_quantgrid_says_how_to_set_it_up(head: SshHost, laptop: Path) -> None:
    shutil.rmtree(head.home / "quantgrid")
    with pytest.raises(ClusterLost, match=r"is not set up: .*`grid cluster up`"):
        client.choose_run(head.host, None)


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system takes root to mount")
def test_a_full_disk_on_the_head_keeps_the_rows_so_far(head: SshHost, laptop: Path) -> None:
    state = head.home / ".local/state/quantgrid"
    state.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o"]
    if subprocess.run([*mount, "size=400k", "tmpfs", str(state)], check=False).returncode:
        pytest.skip("no permission to mount a small file system")
    try:
        assert watch(head, launch(head)).code == 0
        depths = str(list(range(60)))
        Path("toy.toml").write_text(SWEEP.replace("[speed]", f"[speed]\ndepth = {depths}"))
        ended = watch(head, launch(head))
        assert ended.code == 3
        assert f"{head.host}:~/.local/state/quantgrid" in ended.error
        assert "No space left" in ended.error
        results = quantgrid.open("rows")
        assert results.problems == []
        assert CELLS <= results.attempts().num_rows < CELLS + 2 * 2 * 59
        subprocess.run([*mount, "remount,size=8m", str(state)], check=True)
        assert watch(head, launch(head)).code == 0
        assert quantgrid.open("rows").final().num_rows == CELLS + 2 * 2 * 59
    finally:
        subprocess.run(["umount", "-l", str(state)], check=True)
