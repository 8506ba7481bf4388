"""The bundled tables: what is read from them, and how well each part predicts the rest."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from grid.advice.prediction import (
    Loo,
    LooRow,
    Observation,
    Predictor,
    leave_one_out,
    published_observations,
)
from grid.advice.prediction.bundled_errors import bundled_errors
from grid.advice.prediction.community import why_left_out
from grid.advice.prediction.fit import FittedRate
from grid.advice.prediction.leave_one_out import compare_with_prediction
from grid.advice.prediction.left_out import left_out_rows
from grid.advice.prediction.published import chip_table
from grid.errors import InputError
from grid.hardware.chips import find_chip

SCRIPT = Path(__file__).parents[3] / "scripts" / "eval_prediction.py"


COMMUNITY = "community"


def test_every_table_with_rates_is_read() -> None:
    rows = published_observations()
    models = {row.model for row in rows if COMMUNITY not in row.origin}
    assert {"Llama-2-7B", "Llama-3.1-8B", "Qwen3-4B-2507", "Qwen3-30B-A3B"} == models
    assert sum(row.model == "Llama-2-7B" and row.decode_tps is not None for row in rows) == 13
    assert all(row.origin for row in rows)


def test_strangers_rows_are_read_but_those_that_cannot_be_what_they_say() -> None:
    rows = [row for row in published_observations() if COMMUNITY in row.origin]
    assert {row.platform for row in rows} == {"cuda", "metal", "rocm"}
    assert len(rows) == 248
    on_2080 = {row.model for row in rows if row.group.endswith("2080")}
    assert not any("Codestral" in model or "27b" in model for model in on_2080)
    assert not any("Frontis-MA1-35B" in row.model for row in rows)
    assert {row.mixture for row in rows} == {True, False}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"decode_tps": 60.0}, None),
        ({"decode_tps": 120.0}, "faster than its weights can be read"),
        ({"weight_bytes": 9e9, "read_bytes": 9e9, "decode_tps": 30.0}, "some layers ran"),
        ({"weight_bytes": 7e9, "read_bytes": 7e9, "decode_tps": 20.0}, "some layers ran"),
        ({"weight_bytes": 7e9, "read_bytes": 7e9, "decode_tps": 55.0}, None),
    ],
)
def test_a_row_that_did_not_run_as_it_says_is_left_out(
    changes: dict[str, float], words: str | None
) -> None:
    row = Observation(
        group="a card",
        platform="cuda",
        engine="llamacpp",
        quant="Q4_K_M",
        weight_bytes=4e9,
        read_bytes=4e9,
        parameters=7e9,
        bandwidth_bytes_s=448e9,
    )
    reason = why_left_out(replace(row, **changes), 8 * 2**30)  # type: ignore[arg-type]
    assert reason is None if words is None else words in str(reason)


def test_sizes_of_the_chip_tables_model_are_those_of_its_files() -> None:
    gib = {row.quant: row.weight_bytes / 2**30 for row in published_observations()
           if row.model == "Llama-2-7B"}  # fmt: skip
    assert gib == pytest.approx({"F16": 12.55, "Q8_0": 6.67, "Q4_0": 3.56}, rel=0.01)


def test_of_a_mixture_a_token_reads_its_active_experts() -> None:
    row = next(row for row in published_observations() if row.model == "Qwen3-30B-A3B")
    assert row.read_bytes < row.weight_bytes / 5


def stored(rate: str, left_out: str, *, mixture: bool) -> list[LooRow]:
    return [
        row
        for row in bundled_errors()
        if (row.rate, row.left_out, row.mixture) == (rate, left_out, mixture)
        and row.engine != "transformers"
    ]


@pytest.mark.parametrize("left_out", ["group", "source"])
@pytest.mark.parametrize(("mixture", "most"), [(False, 0.1), (True, 0.15)])
def test_decode_without_a_chip_or_a_source_is_near_and_beats_the_flat_rule(
    left_out: str, mixture: bool, most: float
) -> None:
    rows = stored("decode", left_out, mixture=mixture)
    errors = Loo(tuple(rows))
    assert len(rows) > 40
    assert errors.flat_median is not None
    assert np.median([row.error for row in rows]) < min(most, errors.flat_median)
    assert np.mean([row.covered for row in rows]) >= 0.85


def test_each_chip_counts_alike_in_a_printed_error() -> None:
    dense = stored("decode", "group", mixture=False)
    many = next(row for row in dense if row.group == "NVIDIA GB10")
    few, single = (
        replace(many, group=name, predicted=1.5 * many.measured) for name in ("one card", "a card")
    )
    exact = replace(many, predicted=many.measured)
    assert Loo((*[exact] * 9, few, single)).median == pytest.approx(0.5)
    assert Loo((*[exact] * 9,)).median == pytest.approx(0.0)
    assert Loo((few,)).median == pytest.approx(0.5)
    assert Loo().median is None


def test_decode_of_a_chip_of_the_first_table_is_held() -> None:
    rows = stored("decode", "group", mixture=False)
    chips = Loo(tuple(row for row in rows if row.model == "Llama-2-7B"))
    assert len(chips.rows) == 13
    assert chips.median is not None
    assert chips.flat_median is not None
    assert chips.median < 0.07
    assert chips.flat_median == pytest.approx(0.236, abs=0.005)
    assert all(row.covered for row in chips.rows)


def test_prefill_without_a_chip_is_within_a_fifth_and_below_what_the_chip_can_compute() -> None:
    errors = Loo(tuple(stored("prefill", "group", mixture=False)))
    assert errors.median is not None
    assert errors.median < 0.2
    predictor = Predictor.fit(published_observations())
    for name in ("rtx 4090", "rtx 3080 10gb", "tesla p40", "m2 ultra 76", "7900 xtx rocm"):
        chip = find_chip(name)
        prediction = predictor.prefill(chip, "llamacpp", "Q4_0", 7e9)
        assert prediction.high <= (chip.flops_half or 0) / 14e9


@pytest.mark.parametrize("name", ["NVIDIA GeForce RTX 2080", "Apple M1 Max (32)"])
def test_stored_errors_are_those_of_a_fit_without_the_chip(name: str) -> None:
    rows = [row for row in published_observations() if row.decode_tps is not None]
    fitted = FittedRate.of("decode", sorted([r for r in rows if r.group != name], key=repr))
    mine = [row for row in stored("decode", "group", mixture=False) if row.group == name]
    targets = {(row.model, row.quant): row for row in rows if row.group == name}
    assert mine
    for row in mine:
        anew = compare_with_prediction("decode", fitted, targets[row.model, row.quant])
        assert anew.predicted == pytest.approx(row.predicted, rel=0.02)


def test_closed_form_errors_are_near_those_of_fitting_again() -> None:
    rows = published_observations()
    fitted = FittedRate.of("decode", sorted(rows, key=repr))
    closed = left_out_rows(fitted, [row.device for row in fitted.rows])
    exact = {
        (r.group, r.model, r.quant, r.measured): r for r in stored("decode", "group", mixture=False)
    }
    logs = [
        np.log(row.predicted / exact[key].predicted)
        for row in closed
        if (key := (row.group, row.model, row.quant, float(f"{row.measured:.4g}"))) in exact
    ]
    assert len(logs) > 200
    assert np.median(np.abs(logs)) < 0.05


def test_decode_of_a_quant_left_out_is_within_a_tenth() -> None:
    ours = [row for row in published_observations() if COMMUNITY not in row.origin]
    rows = leave_one_out(ours, "quant", ("decode",))
    one_card = Loo(tuple(row for row in rows if "not named" in row.group))
    assert len(one_card.rows) == 24
    assert one_card.median is not None
    assert one_card.median < 0.06


def test_a_published_rate_in_the_users_store_too_counts_once() -> None:
    rows = list(published_observations())
    assert len(Predictor.fit([*rows, *rows]).observations) == len(rows)


def judge_file(folder: Path, rows: object) -> Path:
    path = folder / "others.json"
    path.write_text(json.dumps({"source": "invented", "model": "Llama-2-7B", "rows": rows}))
    return path


def evaluate(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, timeout=300
    )


def test_evaluation_predicts_the_chips_of_another_table(tmp_path: Path) -> None:
    rows = [
        {"chip": "Apple M3 Max (40)", "bandwidth_gb_s": 400, "q4_0_decode_tps": 60.0},
        {"chip": "Card of Tomorrow", "bandwidth_gb_s": 2000, "q4_0_decode_tps": 300.0},
        {"chip": "RTX 3060", "bandwidth_gb_s": 360, "q4_0_prefill_tps": 2000.0},
    ]
    done = evaluate("--judge", str(judge_file(tmp_path, rows)), "--rows")
    assert done.returncode == 0, done.stderr
    for name in ("Apple M3 Max (40)", "Card of Tomorrow", "RTX 3060 12 GB"):
        assert name in done.stdout
    assert done.stdout.count("median error") >= 2


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("none", "no list"),
        ([{"chip": "M1"}], "bandwidth_gb_s"),
        ([{"chip": "M1", "bandwidth_gb_s": -4, "q4_0_decode_tps": 1.0}], "above zero"),
        ([{"chip": "M1", "bandwidth_gb_s": 68, "q4_0_decode_tps": -1.0}], "above zero"),
        ([7], "lacks"),
    ],
)
def test_a_file_that_is_no_table_is_one_line(tmp_path: Path, rows: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        chip_table(judge_file(tmp_path, rows))


def test_a_missing_file_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    done = evaluate("--judge", str(tmp_path / "nothing.json"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_evaluation_predicts_strangers_rows(tmp_path: Path) -> None:
    row = {"chip": "rtx 4060 laptop", "engine": "llamacpp", "model": "some 8B", "quant": "Q4_K_M",
           "parameters": 8e9, "active_parameters": 8e9, "decode_tps": 40.0}  # fmt: skip
    others = [{**row, "chip": name, "model": name} for name in ("rtx 4060 ti", "h100", "no card")]
    done = evaluate("--judge", str(judge_file(tmp_path, [row, *others])), "--rows")
    assert done.returncode == 0, done.stderr
    assert "some 8B" in done.stdout
    assert "rtx 4060 ti" in done.stdout
    assert done.stderr == "not judged, as no chip or several have the name: h100, no card\n"


def test_the_documented_errors_are_those_of_the_script() -> None:
    document = (SCRIPT.parents[1] / "docs" / "prediction.md").read_text()
    done = evaluate("--stored", "--markdown")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in document
