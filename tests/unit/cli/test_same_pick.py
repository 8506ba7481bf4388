"""One pick everywhere: `recommend`, a sweep's end, `grid show` and Python. The page is compared
with the terminal in tests/browser/test_first_page.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from advice_cases import FOREIGN_CLASS, OWN_CLASS, add_ladder, add_quality, add_speed, write_store
from analysis_cases import SIZES, Rows

import grid
from grid.advice import Advice, Ask
from grid.analysis.dataset import Dataset
from grid.cli.show import show
from grid.cli.views.recommend import show_advice
from grid.cli.views.sweep_end import scope_of_name, show_sweep_end
from grid.sweep.run import Summary

SUMMARY = Summary(
    sweep_id="1", measured=9, failed=0, skipped=0, already=0, span_s=9.0, engine_s=8.0,
    wall_s=10.0, driver_peak_bytes=1,
)  # fmt: skip


def _family(rows: Rows, hardware: str) -> None:
    for quant in SIZES:
        add_speed(rows, quant, hardware)
        add_quality(rows, quant, hardware)


def _two_classes(rows: Rows) -> None:
    _family(rows, OWN_CLASS)
    for quant in SIZES:
        add_speed(rows, quant, FOREIGN_CLASS)


STORES = {
    "tasks": (lambda rows: _family(rows, OWN_CLASS), OWN_CLASS),
    "divergence-alone": (add_ladder, OWN_CLASS),
    "two-classes": (_two_classes, OWN_CLASS),
    "class-without-tasks": (_two_classes, FOREIGN_CLASS),
}
"""What fills a store, and the hardware class that is asked about."""


@pytest.fixture(params=STORES, ids=str)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Dataset, str]:
    fill, hardware = STORES[request.param]
    rows = Rows()
    fill(rows)
    return write_store(rows, tmp_path / "store"), hardware


def test_all_name_the_same_pick(
    case: tuple[Dataset, str], capsys: pytest.CaptureFixture[str]
) -> None:
    dataset, hardware = case
    store = dataset.display_name
    answer = grid.recommend(store, hardware=hardware)
    assert isinstance(answer, Advice)
    assert answer.pick is not None
    label, artifact = answer.pick.label, answer.pick.variant.artifact_id

    show_advice(store, Ask(hardware=hardware), as_json=True)
    assert json.loads(capsys.readouterr().out)["pick"]["artifact_id"] == artifact
    show_advice(store, Ask(hardware=hardware))
    assert capsys.readouterr().out.startswith(f"run {label} in ")

    show(store, hardware=hardware)
    shown = capsys.readouterr().out
    assert f"run {label} in " in shown
    assert [line for line in shown.splitlines() if line.startswith("as good as the best")] != []

    show_sweep_end(store, scope_of_name("quick"), SUMMARY)
    end = capsys.readouterr().out
    assert f"run      {label} in " in end


def test_picks_within_common_limits_are_those_of_recommend(
    case: tuple[Dataset, str], capsys: pytest.CaptureFixture[str]
) -> None:
    dataset, hardware = case
    show(dataset.display_name, hardware=hardware, as_json=True)
    (answers,) = json.loads(capsys.readouterr().out).values()
    assert len(answers["picks"]) > 1
    for entry in answers["picks"]:
        limits = {
            name: entry["limits"][name]
            for name in ("max_bytes", "min_decode_tps", "min_share")
            if entry["limits"][name] is not None
        }
        advice = grid.recommend(dataset.display_name, hardware=hardware, **limits)
        assert isinstance(advice, Advice)
        picked = entry["pick"] and entry["pick"]["id"]
        assert picked == (advice.pick and advice.pick.variant.id)


def test_a_sweep_ends_in_about_ten_lines_with_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    rows = Rows()
    _family(rows, OWN_CLASS)
    write_store(rows, tmp_path / "rows")
    show_sweep_end("rows", scope_of_name("quick"), SUMMARY)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "9 cells measured in 10 s; rows in rows"
    assert lines[1] == "machine  AMD EPYC, 24 GiB"
    assert lines[2] == "run      base Q8_0 in llamacpp: 8.3 KiB, 40 token/s"
    assert lines[3].startswith("llama-server -m base-Q8_0.gguf")
    names = [line.partition(" ")[0] for line in lines]
    assert {"quality", "why", "smaller", "faster"} <= {*names}
    assert "grid show --store rows" in lines[-3]
    assert len(lines) <= 13
    assert max(map(len, lines)) <= 80


def test_a_sweep_that_the_pick_is_not_of_names_its_own_best(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = Rows()
    _family(rows, OWN_CLASS)
    for quant in SIZES:
        about = {"model": "poor", "artifact_id": f"poor-{quant}", "sweep": "later"}
        add_speed(rows, quant, **about)
        add_quality(rows, quant, classes={"math": 30}, **about)
    store = write_store(rows, tmp_path).display_name
    show_sweep_end(store, scope_of_name("later"), SUMMARY)
    out = capsys.readouterr().out
    assert "run      base Q8_0 in " in out
    assert "new      best of this sweep: poor " in out


def test_suspect_measurements_come_with_the_command_that_runs_them_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = Rows()
    _family(rows, OWN_CLASS)
    busy = [("other_cpu_share", "0.6")]
    add_speed(rows, "Q8_0", environment=busy, sweep="mine")
    store = write_store(rows, tmp_path).display_name
    show(store)
    out = capsys.readouterr().out
    assert "other programs used 60% of the machine" in out
    assert f"Rerun when idle: `grid sweep mine.toml --store {store} --fresh`" in out


def test_models_that_do_not_compare_have_a_line_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = Rows()
    for model in ("base", "large"):
        add_ladder(rows, model=model)
    store = write_store(rows, tmp_path).display_name
    show_advice(store, Ask(hardware=OWN_CLASS))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0].split() for line in lines[1:3]] == [
        [model, "run", model, "Q8_0", "in", "llamacpp"] for model in ("base", "large")
    ]
    assert lines[3] == "grid recommend --model base says how to start it"
