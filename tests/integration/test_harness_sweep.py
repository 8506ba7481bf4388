"""A sweep asks tasks of the harness: its rows have the harness's scores and say by what."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from fake_sweep import Run
from harness_environment import harness_cache as harness_cache
from harness_environment import shared_harness as shared_harness
from plan_helpers import NODE, plan_of
from task_data import write_jsonl, write_task_data

import grid as quantgrid
from grid.cells.measurement import Measurement
from grid.cells.texts import read_items
from grid.engine.harness import prepare
from grid.engine.sandbox import sandbox_obstacle
from grid.sweep.events import CellDone, Settings
from grid.sweep.executors.worker import Worker

SWEEP = """
backends = ["fake"]
measures = ["tasks"]
quants = ["F16", "Q8"]
[[models]]
source = "toy.fake"
[tasks]
names = ["gsm8k", "piqa", "humaneval"]
data = "data"
items = 2
run_code = {run_code}
"""


@pytest.fixture(autouse=True)
def cache(harness_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The module's cache, instead of the run's."""
    monkeypatch.setenv("QUANTGRID_CACHE", str(harness_cache))
    return harness_cache


def test_rows_say_which_figure_of_which_task_they_hold(toy: Path, grid: Run) -> None:
    if sandbox_obstacle():
        pytest.skip(sandbox_obstacle())
    write_task_data(toy / "data")
    (toy / "s.toml").write_text(SWEEP.format(run_code="true"))
    done = grid("sweep", "s.toml", "--here", timeout=600)
    assert done.returncode == 0, done.stderr
    results = quantgrid.open(toy / "results")
    final = results.final().to_pylist()
    environments = [dict(row["environment"]) for row in final]
    assert {row["status"] for row in final} == {"ok"}
    assert {e["task_metric"] for e in environments} == {
        "exact_match,flexible-extract",
        "acc_norm",
        "pass_at_k,create_test",
    }
    assert {e["task_harness"] for e in environments} == {"lm_eval 0.4.13"}
    items = results.items().to_pylist()
    assert len(items) == 2 * 3 * 2
    programs = [row for row in items if row["task"] == "humaneval"]
    assert {row["score"] for row in programs} == {0}
    assert all(row["note"] for row in programs)  # why each does not pass


def test_code_is_refused_before_anything_runs(toy: Path, grid: Run) -> None:
    write_task_data(toy / "data")
    (toy / "s.toml").write_text(SWEEP.format(run_code="false"))
    done = grid("sweep", "s.toml", "--here", timeout=600)
    assert done.returncode == 2
    assert "task humaneval runs programs that the model writes; say run_code" in done.stderr
    assert not (toy / "results").exists()


def attempt(folder: Path, items: Path, name: str, **settings: bool) -> Measurement:
    """One attempt at a task's items, by a worker."""
    text = f"""
measures = ["tasks"]
[[models]]
files = ["x.fake"]
[tasks]
source = "{os.fspath(items)}"
classes = ["{name}"]
"""
    plan = plan_of(folder, text)
    worker = Worker(NODE, Settings(cell_timeout_s=60, **settings))
    try:
        events = [event for session in plan.sessions for event in worker.run(session)]
    finally:
        worker.close()
    (done,) = [e.measurement for e in events if isinstance(e, CellDone)]
    assert isinstance(done, Measurement)
    return done


def test_scoring_that_fails_fails_the_attempt(tmp_path: Path) -> None:
    (task,) = prepare(["gsm8k"], data=write_task_data(tmp_path / "data"), limit=2)
    items = read_items(str(task.folder), "gsm8k").items
    broken = [
        msgspec.structs.replace(item, document=item.document.replace("flexible", "lenient"))
        for item in items
    ]
    write_jsonl(tmp_path / "items" / "gsm8k.jsonl", map(msgspec.to_builtins, broken))
    measurement = attempt(tmp_path, tmp_path / "items", "gsm8k")
    assert measurement.status == "error"
    assert "scoring failed: task gsm8k has no filter 'lenient-extract'" in measurement.reason
    assert measurement.items == ()


def test_programs_are_not_run_where_the_sweep_does_not_allow_it(tmp_path: Path) -> None:
    data = write_task_data(tmp_path / "data")
    (task,) = prepare(["humaneval"], data=data, limit=2, run_code=True)
    measurement = attempt(tmp_path, task.folder, "humaneval")
    assert measurement.status == "unsupported"
    assert "run_code is not set" in measurement.reason
