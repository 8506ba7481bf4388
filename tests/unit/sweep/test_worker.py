"""One node's worker: a row for every cell whatever happens, and nothing made twice."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from artifacts_helpers import largest_file
from plan_helpers import NODE, plan_of

from grid.cache import cache_dir, write_atomically
from grid.cells.measurement import Measurement
from grid.plan.plan import Plan
from grid.sweep.artifacts.leases import in_use
from grid.sweep.events import CellDone, Event, Observed, Prepared, Settings
from grid.sweep.executors.session_engine import LOADS
from grid.sweep.executors.worker import Worker

QUALITY = """
measures = ["quality"]
quants = ["F16", "Q8", "Q4"]
[[models]]
source = "x.fake"
[quality]
text = "t.txt"
context = 64
chunks = 4
"""
SPEED = """
measures = ["speed"]
quants = ["Q8"]
[[models]]
source = "x.fake"
[speed]
prompt = [8, 16]
generate = [8, 16]
depth = [0, 8]
repetitions = 1
"""


@pytest.fixture(autouse=True)
def _fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUANTGRID_CACHE", str(tmp_path / "cache"))


def run(plan: Plan) -> list[Event]:
    worker = Worker(NODE, Settings(cell_timeout_s=30))
    try:
        return [event for session in plan.sessions for event in worker.run(session)]
    finally:
        worker.close()


def measurements(events: list[Event]) -> list[Measurement]:
    return [e.measurement for e in events if isinstance(e, CellDone) and e.measurement]


def count_prepared(events: list[Event]) -> Counter[str]:
    return Counter(event.what for event in events if isinstance(event, Prepared))


def test_weights_are_in_use_until_their_engine_ends(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, SPEED)
    worker = Worker(NODE, Settings(cell_timeout_s=30))
    key = f"artifact/{plan.sessions[-1].artifact.id}"
    for session in plan.sessions:
        list(worker.run(session))
    assert in_use(key)
    worker.close()
    assert not in_use(key)


def test_an_interrupted_cache_write_leaves_no_file(tmp_path: Path) -> None:
    with largest_file(1000), pytest.raises(OSError, match="too large"):
        write_atomically(tmp_path / "note.json", b"0" * 5000)
    assert list(tmp_path.iterdir()) == []


def test_each_cell_of_a_plan_gives_one_measurement(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, QUALITY)
    done = measurements(run(plan))
    assert [row.cell_id for row in done] == [cell.id for cell in plan.cells]
    assert {row.status for row in done} == {"ok"}


def test_artifacts_and_the_reference_are_prepared_once(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, QUALITY)
    assert count_prepared(run(plan)) == {"quantize": 2, "reference": 1}
    assert count_prepared(run(plan)) == {}


def test_a_sweep_killed_between_the_reference_and_its_row_goes_on(tmp_path: Path) -> None:
    """The file is there and the row is not: the row is measured against the file, and is the
    same."""
    plan = plan_of(tmp_path, QUALITY)
    first = measurements(run(plan))[0]
    events = run(msgspec.structs.replace(plan, cells=plan.cells[:1]))
    assert count_prepared(events) == {}
    (row,) = measurements(events)
    assert (row.cell_id, row.scalars, row.series) == (first.cell_id, first.scalars, first.series)


def test_a_reference_that_fails_fails_its_row_and_leaves_no_file(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, QUALITY + '[options.fake]\ncrash_on = "logits"\n')
    rows = measurements(run(plan))
    assert {row.status for row in rows} == {"error"}
    assert "died (" in rows[0].reason
    assert list((cache_dir() / "references").glob("*")) == []


def test_facts_of_every_artifact_are_observed(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, QUALITY)
    observed = {e.artifact_id: e.facts for e in run(plan) if isinstance(e, Observed)}
    assert set(observed) == {cell.artifact.id for cell in plan.cells}
    assert all(facts.bytes > 0 and len(facts.sha256) == 64 for facts in observed.values())


def test_a_run_leaves_no_temporary_artifact_files(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, QUALITY)
    run(plan)
    left_over = [p for p in (cache_dir() / "artifacts").rglob("*") if p.name.startswith(".")]
    assert left_over == []


def test_files_of_a_killed_maker_are_removed_when_its_artifact_is_made(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, QUALITY)
    quantized = next(artifact for artifact in plan.artifacts if artifact.made_from is not None)
    remains = cache_dir() / "artifacts" / quantized.id / ".weights.fake.12345"
    shutil.rmtree(remains.parent, ignore_errors=True)
    remains.mkdir(parents=True)
    (remains / "half").write_bytes(b"0" * 1000)
    run(plan)
    assert not remains.exists()
    assert (remains.parent / "weights.fake").exists()


def test_cells_larger_than_one_out_of_memory_are_skipped(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, SPEED + '[options.fake]\noom_on = "step"\n')
    status = {
        cell.workload.label: row.status
        for cell, row in zip(plan.cells, measurements(run(plan)), strict=True)
    }
    assert {status[label] for label in status if label.startswith("pp")} == {"ok"}
    decodes = [status[label] for label in status if label.startswith("tg")]
    assert decodes == ["oom", "skipped", "skipped", "skipped"]


def test_a_session_whose_engine_keeps_crashing_is_given_up(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, SPEED + '[options.fake]\ncrash_on = "prefill"\n')
    done = measurements(run(plan))
    assert len(done) == len(plan.cells) > LOADS
    crashed = [row for row in done if "died (" in row.reason]
    assert len(crashed) == LOADS
    assert "gave up" in done[-1].reason


def test_a_failed_load_is_tried_once_for_all_cells(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, SPEED + '[options.fake]\nunsupported_on = "load"\n')
    done = measurements(run(plan))
    assert {row.status for row in done} == {"unsupported"}
    assert len({row.reason for row in done}) == 1
    assert done[0].wall_s > 10 * done[1].wall_s


def test_no_process_is_left_after_a_sweep(tmp_path: Path) -> None:
    """Those that were started for an artifact that could not be made included."""
    plan = plan_of(tmp_path, QUALITY.replace('"Q4"', '"BROKEN"'))
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    run(plan)
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


def test_a_variant_takes_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory, speed and quality share it; only quantizing has another, for all variants."""
    started: list[int] = []
    popen = subprocess.Popen

    def count(*arguments: Any, **options: Any) -> Any:
        process = popen(*arguments, **options)
        started.append(process.pid)
        return process

    monkeypatch.setattr(subprocess, "Popen", count)
    text = QUALITY.replace('["quality"]', '["memory", "speed", "quality"]')
    plan = plan_of(tmp_path, text + "[memory]\ncontext = 64\n[speed]\nrepetitions = 1\n")
    assert {row.status for row in measurements(run(plan))} == {"ok"}
    assert len(started) == len(plan.sessions) + 1


def test_an_artifact_that_cannot_be_made_fails_only_its_own_cells(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, QUALITY.replace('"Q4"', '"BROKEN"'))
    status = Counter(
        (cell.artifact.quant, row.status)
        for cell, row in zip(plan.cells, measurements(run(plan)), strict=True)
    )
    assert status["BROKEN", "error"] == 1
    assert all(state == "ok" for quant, state in status if quant != "BROKEN")


def test_memory_is_measured_in_a_fresh_process(tmp_path: Path) -> None:
    """Even where another cell ran before: 256 MiB that a second context left would show."""
    text = 'measures = ["memory"]\nquants = ["Q8"]\n[[models]]\nsource = "x.fake"\n'
    plan = plan_of(tmp_path, text + "[options.fake]\nallocate_mib = [0, 256]\n")
    small, large = (row.scalars["peak_rss_bytes"] for row in measurements(run(plan)))
    assert large - small == pytest.approx(256 * 2**20, rel=0.1)


def test_a_run_for_the_noise_floor_that_differs_scores_every_chunk(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, QUALITY)
    rows = {row.cell_id: row for row in measurements(run(plan))}
    (noise,) = plan.noise
    assert rows[noise].scalars["chunks"] == 4
    assert max(next(s.values for s in rows[noise].series if s.name == "kld")) > 0
