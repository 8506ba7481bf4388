"""The bundled tables: what is read from them, and how well each part predicts the rest."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from grid.advice.prediction import Loo, Predictor, leave_one_out, published_observations
from grid.advice.prediction.published import chip_table
from grid.errors import InputError

SCRIPT = Path(__file__).parents[3] / "scripts" / "eval_prediction.py"


def test_every_table_with_rates_is_read() -> None:
    rows = published_observations()
    models = {row.model for row in rows}
    assert {"Llama-2-7B", "Llama-3.1-8B", "Qwen3-4B-2507", "Qwen3-30B-A3B"} == models
    assert sum(row.model == "Llama-2-7B" and row.decode_tps is not None for row in rows) == 13
    assert all(row.origin for row in rows)


def test_sizes_of_the_chip_tables_model_are_those_of_its_files() -> None:
    gib = {row.quant: row.weight_bytes / 2**30 for row in published_observations()
           if row.model == "Llama-2-7B"}  # fmt: skip
    assert gib == pytest.approx({"F16": 12.55, "Q8_0": 6.67, "Q4_0": 3.56}, rel=0.01)


def test_of_a_mixture_a_token_reads_its_active_experts() -> None:
    row = next(row for row in published_observations() if row.model == "Qwen3-30B-A3B")
    assert row.read_bytes < row.weight_bytes / 5


def test_decode_of_a_chip_left_out_is_within_a_tenth_and_beats_the_flat_rule() -> None:
    rows = leave_one_out(published_observations(), "group", ("decode",))
    chips = Loo(tuple(row for row in rows if row.model == "Llama-2-7B"))
    assert len(chips.rows) == 13
    assert chips.median is not None
    assert chips.flat_median is not None
    assert chips.median < 0.05
    assert max(row.error for row in chips.rows) < 0.1
    assert chips.flat_median == pytest.approx(0.236, abs=0.005)
    assert all(row.covered for row in chips.rows)


def test_decode_of_a_quant_left_out_is_within_a_tenth() -> None:
    rows = leave_one_out(published_observations(), "quant", ("decode",))
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
    done = evaluate("--judge", str(judge_file(tmp_path, rows)))
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


def test_the_documented_errors_are_those_of_the_script() -> None:
    document = (SCRIPT.parents[1] / "docs" / "prediction.md").read_text()
    done = evaluate("--markdown")
    assert done.returncode == 0, done.stderr
    documented, computed = medians(document), medians(done.stdout)
    assert len(documented) == 4
    assert documented == pytest.approx(
        computed, abs=0.3
    )  # percent: arithmetic differs a little by CPU


def medians(text: str) -> list[float]:
    return [
        float(percent) for percent in re.findall(r"^median error ([\d.]+)%", text, re.MULTILINE)
    ]
