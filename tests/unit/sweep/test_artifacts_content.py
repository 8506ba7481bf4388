"""A file that changed on disk: what a row says of its file is what was measured."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from plan_helpers import NODE, plan_of

from grid.cache import cache_dir
from grid.cells.measurement import Measurement
from grid.models.checksum import file_sha256
from grid.plan.plan import Plan
from grid.sweep.artifacts import content
from grid.sweep.artifacts.content import ContentChanged, ContentCheck
from grid.sweep.events import CellDone, CellStarted, Event, Notice, Observed, Prepared, Settings
from grid.sweep.executors.worker import Worker

SWEEP = """
measures = ["speed", "quality"]
quants = ["F16", "Q4"]
[[models]]
source = "x.fake"
[speed]
prompt = [8]
generate = [8]
repetitions = 1
[quality]
text = "t.txt"
context = 64
chunks = 2
"""


@pytest.fixture(autouse=True)
def _fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUANTGRID_CACHE", str(tmp_path / "cache"))


def run(plan: Plan) -> list[Event]:
    worker = Worker(NODE, Settings(cell_timeout_s=60))
    try:
        return [event for session in plan.sessions for event in worker.run(session)]
    finally:
        worker.close()


def rows(events: list[Event]) -> list[Measurement]:
    return [e.measurement for e in events if isinstance(e, CellDone) and e.measurement]


def observed(events: list[Event]) -> dict[str, str]:
    return {e.artifact_id: e.facts.sha256 for e in events if isinstance(e, Observed)}


def damage(path: Path, at: int = -20) -> None:
    """Other bytes in the same size, with the same time of change: only reading them shows it."""
    stat = path.stat()
    bytes_now = bytearray(path.read_bytes())
    bytes_now[at] ^= 1
    path.write_bytes(bytes_now)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def made_file() -> Path:
    (path,) = (cache_dir() / "artifacts").glob("*/weights.fake")
    return path


@pytest.mark.parametrize("at", [-20, 0], ids=["weights", "header"])
def test_a_made_artifact_that_changed_is_made_again(tmp_path: Path, at: int) -> None:
    plan = plan_of(tmp_path, SWEEP)
    first = run(plan)
    damage(made_file(), at)
    second = run(plan)
    assert {row.status for row in rows(second)} == {"ok"}
    assert observed(second) == observed(first)
    assert file_sha256(made_file()) in observed(first).values()
    assert [e.what for e in second if isinstance(e, Prepared)] == ["quantize"]
    (notice,) = (e.text for e in second if isinstance(e, Notice))
    assert "changed on disk" in notice
    assert "made again" in notice


def test_the_users_own_file_that_changed_fails_its_rows_with_the_reason(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, SWEEP)
    run(plan)
    damage(tmp_path / "x.fake")
    done = rows(run(plan))
    own = [
        row for row, cell in zip(done, plan.cells, strict=True) if cell.artifact.path is not None
    ]
    assert {row.status for row in own} == {"error"}
    assert all("changed on disk" in row.reason for row in own)
    assert all("since the plan was made; run the sweep again" in row.reason for row in own)
    assert observed(run(plan_of(tmp_path, SWEEP))) != {}  # the next plan sees the file as it is


def test_a_file_that_is_gone_fails_its_own_session_and_the_others_go_on(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, SWEEP)
    run(plan)
    worker, events = Worker(NODE, Settings(cell_timeout_s=60)), []
    for session in plan.sessions:
        for event in worker.run(session):
            events.append(event)
            if isinstance(event, CellStarted):  # it was there when the session began
                (tmp_path / "x.fake").unlink(missing_ok=True)
    worker.close()
    done = {row.cell_id: row for row in rows(events)}
    assert set(done) == {cell.id for cell in plan.cells}
    for cell in plan.cells:
        row = done[cell.id]
        assert row.status == ("ok" if cell.artifact.quant == "Q4" else "error")
        assert "x.fake" in row.reason or row.status == "ok"


def test_a_damaged_note_of_an_artifact_is_written_anew(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, SWEEP)
    first = observed(run(plan))
    (note,) = made_file().parent.glob("facts-*.json")
    note.write_bytes(note.read_bytes()[:20])
    second = run(plan)
    assert {row.status for row in rows(second)} == {"ok"}
    assert observed(second) == first


def test_nothing_is_made_of_a_source_that_changed(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, SWEEP.replace('["F16", "Q4"]', '["Q4"]').replace(', "quality"', ""))
    damage(tmp_path / "x.fake")
    done = rows(run(plan))
    assert {row.status for row in done} == {"error"}
    assert all("changed on disk" in row.reason for row in done)
    assert not list((cache_dir() / "artifacts").glob("*/weights.fake"))


def test_each_file_is_read_once_in_a_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(tmp_path, SWEEP)
    run(plan)
    read: list[str] = []
    original = content.read_sha256

    def spy(path: Path) -> str:
        read.append(path.name)
        return original(path)

    monkeypatch.setattr(content, "read_sha256", spy)
    assert {row.status for row in rows(run(plan))} == {"ok"}
    assert sorted(read) == ["weights.fake", "x.fake"]


def test_a_check_says_which_hash_is_there_and_which_should_be(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"weights")
    check = ContentCheck(path, "0" * 64)
    with pytest.raises(ContentChanged, match=r"its sha256 is [0-9a-f]{12}…, not 000000000000…"):
        check.wait()
    right = ContentCheck(path, file_sha256(path))
    right.wait()
    assert right.stands
    path.write_bytes(b"other!!!")
    assert not right.stands
    with pytest.raises(ContentChanged):
        right.wait()  # an engine may have read either
