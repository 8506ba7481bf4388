"""Runs on a head: what its start files, other machines, stores and secrets do to them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pytest
from remote_runs import (
    CELLS,
    RecordedProgress,
    drivers,
    launch,
    launch_hanging,
    status_of,
    watch,
)
from remote_runs import head as head
from remote_runs import laptop as laptop
from ssh_hosts import SshHost, reason_to_skip, set_up

from grid.cli.cluster import running_sweeps
from grid.cli.runs import show_outcome
from grid.cli.views.runs import print_runs
from grid.cluster.config import Cluster
from grid.cluster.remote import client, runs
from grid.cluster.remote import row_sync as rows
from grid.cluster.remote.head import Head
from grid.errors import ClusterLost, InputError, StoreLost
from grid.sweep.events import CellDone

pytestmark = pytest.mark.skipif(bool(reason_to_skip()), reason=reason_to_skip())
SUMMARY = {"sweep_id": "x", "measured": 1, "failed": 0, "skipped": 0, "already": 0, "span_s": 1.0}
SUMMARY |= {"engine_s": 1.0, "wall_s": 1.0, "driver_peak_bytes": 1}


def test_variables_behind_the_interactive_guard_of_bashrc_hold(head: SshHost, laptop: Path) -> None:
    """As Debian's .bashrc has it. What the start files print confuses nobody."""
    cache = head.home / "cache of its owner"
    (head.home / ".bashrc").write_text(
        "case $- in *i*) ;; *) return;; esac\n"
        f"echo hello; echo moan >&2\nexport QUANTGRID_CACHE='{cache}'\n"
    )
    (head.home / ".bash_profile").write_text("echo welcome; echo grumble >&2\n")
    set_up(head)
    progress = RecordedProgress()
    ended = watch(head, launch(head, progress), progress)
    assert (ended.code, ended.summary is not None) == (0, True)
    assert cache.is_dir()
    assert "welcome" not in progress.notes
    assert len(progress.of(CellDone)) == CELLS
    with pytest.raises(InputError, match="ended already"):
        Head(head.host).stop(ended.run.id)


def test_run_without_an_id_is_one_of_this_machine(
    head: SshHost, laptop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = launch_hanging(head)
    monkeypatch.setenv("HOME", str(laptop / "home of another"))
    with pytest.raises(InputError, match="was started from this machine; name another's run"):
        client.choose_run(head.host, None)
    assert client.choose_run(head.host, run.id).run.id == run.id
    assert rows.machine_id() != run.machine
    assert launch(head).store != run.store  # the same folder of two machines of one name


def test_taking_a_cluster_down_names_the_runs_that_end_with_it(head: SshHost, laptop: Path) -> None:
    rack = Cluster(path=Path("cluster.yaml"), name="rack", provider="local", head=head.host)
    assert running_sweeps(rack) == []
    run = launch_hanging(head)
    assert [ending.id for ending in running_sweeps(rack)] == [run.id]


def test_driver_whose_process_is_not_found_is_not_stopped(head: SshHost, laptop: Path) -> None:
    run = launch_hanging(head)
    noted = head.home / ".local/state/quantgrid/runs" / run.id / "driver.json"
    noted.write_bytes(msgspec.json.encode(runs.Driver(pid=os.getpid())))
    with pytest.raises(ClusterLost, match="process is not found"):
        Head(head.host).stop(run.id)
    assert status_of(head, run).state == "running"


def test_a_store_that_is_a_file_is_refused_before_anything_starts(
    head: SshHost, laptop: Path
) -> None:
    Path("rows").write_text("a file")
    with pytest.raises(InputError, match="is a file; a store is a folder"):
        launch(head)
    assert not (head.home / ".local").exists()


def test_a_store_that_became_a_file_leaves_the_rows_on_the_head(
    head: SshHost, laptop: Path
) -> None:
    run = launch(head)
    Path("rows").rmdir()
    Path("rows").write_text("a file")
    with pytest.raises(StoreLost, match=f"`grid cluster pull {run.id} --store FOLDER`"):
        watch(head, run)
    assert client.fetch(head.host, run, "elsewhere") > 0


def test_store_folder_keeps_its_permissions(head: SshHost, laptop: Path) -> None:
    Path("rows").mkdir(mode=0o750)
    watch(head, launch(head))
    assert Path("rows").stat().st_mode & 0o777 == 0o750


def test_credentials_in_a_stores_name_are_read_by_their_owner_only(
    head: SshHost, laptop: Path
) -> None:
    secret = "s3://KEY:SECRET@bucket/rows?endpoint_override=127.0.0.1:9&scheme=http"
    run = launch(head, store=secret)
    lines = [" ".join(process.cmdline()) for process in drivers(head)]
    assert any(run.id in line for line in lines)
    assert not any("SECRET" in line for line in lines)
    assert (head.home / ".local/state/quantgrid").stat().st_mode & 0o777 == 0o700
    with pytest.raises(InputError, match=r"s3://bucket/rows itself") as error:
        client.watch(head.host, run, RecordedProgress(), "elsewhere")
    assert "SECRET" not in str(error.value)


def test_listed_runs_are_shown_without_credentials(
    capsys: pytest.CaptureFixture[str],
) -> None:
    secret = "s3://KEY:SECRET@bucket/rows?scheme=http"
    run = runs.RemoteRun(id=runs.new_id(), sweep="s", store=secret, machine="me", wanted=secret)
    ended = client.RunOutcome(run=run, code=0, summary=SUMMARY, error="", store=secret)
    assert show_outcome(ended, as_json=True) == 0
    assert "SECRET" not in capsys.readouterr().out
    print_runs([runs.RunStatus(run=run, state="ended")], as_json=True)
    (listed,) = json.loads(capsys.readouterr().out)
    assert listed["run"]["store"] == listed["run"]["wanted"] == "s3://bucket/rows"


def test_a_store_that_only_the_head_reads_changes_no_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = str(tmp_path / "file")
    Path(place).write_text("no folder")
    run = runs.RemoteRun(id=runs.new_id(), sweep="s", store=place, machine="me", wanted=place)
    ended = client.RunOutcome(run=run, code=0, summary=SUMMARY, error="", store=place)
    assert show_outcome(ended, as_json=False) == 0
    assert "the sweep itself has ended" in capsys.readouterr().err


def test_a_summary_of_another_version_is_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runs.RemoteRun(id=runs.new_id(), sweep="s", store="s", machine="me", wanted="s")
    ended = client.RunOutcome(run=run, code=1, summary={"event": "done"}, error="", store="s")
    assert show_outcome(ended, as_json=True) == 1
    assert "unlike that of this version" in capsys.readouterr().err
