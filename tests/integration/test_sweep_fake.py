"""Whole sweeps through the command line, on a backend whose numbers are known."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fake_sweep import FAKE_SWEEP, Run

import grid as quantgrid
from grid.cache import cache_dir


def rows(folder: Path) -> list[dict[str, object]]:
    return quantgrid.open(folder / "rows").attempts().to_pylist()


def sweep(grid: Run, *arguments: str, executor: str = "inline") -> subprocess.CompletedProcess[str]:
    return grid("sweep", "toy.toml", "--store", "rows", "--executor", executor, *arguments)


def edit(folder: Path, old: str, new: str) -> None:
    text = (folder / "toy.toml").read_text()
    assert old in text
    (folder / "toy.toml").write_text(text.replace(old, new))


def test_every_cell_is_measured_once_and_the_pick_is_printed(toy: Path, grid: Run) -> None:
    done = sweep(grid)
    assert done.returncode == 0, done.stderr
    attempts = rows(toy)
    assert {row["status"] for row in attempts} == {"ok"}
    assert len(attempts) == len({row["cell_id"] for row in attempts}) == 4 * 10 + 1
    lines = done.stdout.splitlines()
    assert any(line.startswith("run      toy ") for line in lines)
    assert any(line.startswith("grid show --store rows") for line in lines)


def test_fewer_bits_are_measurably_worse(toy: Path, grid: Run) -> None:
    sweep(grid)
    kld = quantgrid.open(toy / "rows").query(
        "SELECT quant, max(value) AS kld FROM results WHERE name = 'kld_mean' GROUP BY quant"
    )
    by_quant = {row["quant"]: row["kld"] for row in kld.to_pylist()}
    assert by_quant["Q8"] < by_quant["Q4"] < by_quant["Q2"]


def test_a_repeated_sweep_measures_nothing(toy: Path, grid: Run) -> None:
    sweep(grid)
    before = rows(toy)
    repeated = sweep(grid)
    assert repeated.returncode == 0
    assert rows(toy) == before
    assert "41 measured before" in repeated.stdout


def test_another_probe_of_the_bandwidth_keeps_the_hardware_class(toy: Path, grid: Run) -> None:
    sweep(grid)
    (probe,) = (cache_dir() / "nodes").glob("*.json")
    measured = float(probe.read_text())
    try:
        probe.write_text(str(measured * 4))
        assert "41 measured before" in sweep(grid).stdout
    finally:
        probe.write_text(str(measured))


def test_fresh_measures_every_cell_anew(toy: Path, grid: Run) -> None:
    sweep(grid)
    sweep(grid, "--fresh")
    assert len(rows(toy)) == 2 * 41


def test_a_new_quant_adds_only_its_own_cells(toy: Path, grid: Run) -> None:
    edit(toy, ', "Q2"]', "]")
    sweep(grid)
    edit(toy, '"Q4"]', '"Q4", "Q2"]')
    sweep(grid)
    attempts = rows(toy)
    assert len(attempts) == len({row["cell_id"] for row in attempts}) == 41


@pytest.mark.parametrize(
    ("option", "status"),
    [("crash_on", "error"), ("oom_on", "oom"), ("unsupported_on", "unsupported")],
)
def test_a_failing_quant_becomes_rows_and_the_rest_is_measured(
    toy: Path, grid: Run, option: str, status: str
) -> None:
    options = f'[options.fake]\n{option} = "step"\nfail_quant = "Q4"\n'
    (toy / "toy.toml").write_text(FAKE_SWEEP + options)
    done = sweep(grid)
    assert done.returncode == 1
    failed = [row for row in rows(toy) if row["status"] not in ("ok", "skipped")]
    assert {row["quant"] for row in failed} == {"Q4"}
    assert {row["status"] for row in failed} == {status}
    assert all(row["reason"] for row in failed)
    assert len({row["cell_id"] for row in rows(toy)}) == 41


def test_a_hang_is_a_timeout_and_the_rest_is_measured(toy: Path, grid: Run) -> None:
    options = '[options.fake]\nhang_on = "generate"\nfail_quant = "Q4"\n'
    (toy / "toy.toml").write_text(FAKE_SWEEP + options + '[budget]\ncell_timeout = "2s"\n')
    done = sweep(grid)
    assert done.returncode == 1
    (failed,) = [row for row in rows(toy) if row["status"] != "ok"]
    assert (failed["status"], failed["quant"], failed["measure"]) == ("timeout", "Q4", "latency")


def test_a_resume_retries_errors_only(toy: Path, grid: Run) -> None:
    edit(toy, '"Q2"]', '"Q2", "BROKEN"]')
    sweep(grid)
    first = len(rows(toy))
    sweep(grid)
    retried = rows(toy)[first:]
    assert {row["quant"] for row in retried} == {"BROKEN"}
    assert len(retried) == 10


def test_a_model_that_does_not_fit_is_skipped_with_the_bytes(toy: Path, grid: Run) -> None:
    import grid_fake

    grid_fake.write(toy / "big.fake", name="big", width=10**9)
    measures = 'measures = ["memory", "speed", "latency", "quality"]\n'
    (toy / "toy.toml").write_text(measures + FAKE_SWEEP + '[[models]]\nsource = "big.fake"\n')
    done = sweep(grid)
    assert done.returncode == 0, done.stderr
    skipped = [row for row in rows(toy) if row["status"] == "skipped"]
    assert {row["model"] for row in skipped} == {"big"}
    reasons = {str(row["reason"]) for row in skipped}
    assert all("needs" in reason and "available" in reason for reason in reasons)
    assert sum(row["status"] == "ok" for row in rows(toy)) == 4 * 5 + 1


def test_skips_are_recorded_once(toy: Path, grid: Run) -> None:
    (toy / "toy.toml").write_text(FAKE_SWEEP.replace("prompt = [64]", "prompt = [64, 100000]"))
    sweep(grid)
    before = len(rows(toy))
    assert any(row["status"] == "skipped" for row in rows(toy))
    sweep(grid)
    assert len(rows(toy)) == before


def test_json_lines_have_every_event(toy: Path, grid: Run) -> None:
    done = sweep(grid, "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[0]["event"] == "planned"
    assert events[0]["cells"] == 41
    assert sum(event["event"] == "finished" for event in events) == 41
    assert events[-1]["event"] == "done"
    assert 0 < events[-1]["engine_share"] <= 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("executor", ["inline", pytest.param("ray", marks=pytest.mark.ray)])
def test_an_interrupt_keeps_rows_and_the_same_command_resumes(
    toy: Path, grid: Run, executor: str, number: signal.Signals
) -> None:
    options = '[options.fake]\nhang_on = "generate"\nfail_quant = "Q4"\n'
    (toy / "toy.toml").write_text(FAKE_SWEEP + options)
    command = [sys.executable, "-m", "grid", "sweep", "toy.toml", "--store", "rows", "--json"]
    running = subprocess.Popen(
        [*command, "--executor", executor],
        cwd=toy, env=os.environ.copy(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # What runs in the background of a script inherits that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert running.stdout is not None
    for line in running.stdout:
        if json.loads(line).get("label") == "toy Q4 latency 16+16":
            break
    running.send_signal(number)
    _, stderr = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "resumes" in stderr
    cell_ids = {row["cell_id"] for row in rows(toy)}
    assert cell_ids
    assert not (toy / "rows" / "writer.lock").exists()
    (toy / "toy.toml").write_text(FAKE_SWEEP)
    assert sweep(grid).returncode == 0


@pytest.mark.ray
def test_ray_gives_the_same_rows_as_inline(toy: Path, grid: Run) -> None:
    done = sweep(grid, executor="ray")
    assert done.returncode == 0, done.stderr
    through_ray = {row["cell_id"]: row["status"] for row in rows(toy)}
    grid("sweep", "toy.toml", "--store", "other", "--executor", "inline")
    inline = quantgrid.open(toy / "other").attempts().to_pylist()
    assert through_ray == {row["cell_id"]: row["status"] for row in inline}


def test_a_driver_killed_outright_leaves_a_store_that_the_same_command_completes(
    toy: Path, grid: Run
) -> None:
    (toy / "toy.toml").write_text(FAKE_SWEEP + "[options.fake]\ncell_s = 0.3\n")
    command = [sys.executable, "-m", "grid", "sweep", "toy.toml", "--store", "rows", "--json"]
    running = subprocess.Popen(
        [*command, "--executor", "inline"],
        cwd=toy, env=os.environ.copy(), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert running.stdout is not None
    for _ in running.stdout:
        if list((toy / "rows").glob("attempts-*.arrow")):
            break
    running.kill()
    running.communicate(timeout=30)
    assert running.returncode == -signal.SIGKILL
    (toy / "toy.toml").write_text(FAKE_SWEEP)
    assert sweep(grid).returncode == 0
    assert len({row["cell_id"] for row in rows(toy) if row["status"] == "ok"}) >= 41
