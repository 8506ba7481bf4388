"""llama-batched-bench and llama-sweep-bench: rates of one sequence, by prompt and by depth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from imports_files import put

from grid.results.imports import ImportedReport, read_report

SWEEP_HEAD = """\
|    PP |     TG |   N_KV |   T_PP s | S_PP t/s |   T_TG s | S_TG t/s |
|-------|--------|--------|----------|----------|----------|----------|
"""
SWEEP_ROWS = """\
|   256 |     64 |      0 |    0.500 |   512.00 |    2.000 |    32.00 |
|   256 |     64 |    256 |    0.640 |   400.00 |    2.560 |    25.00 |
"""
SWEEP = SWEEP_HEAD + SWEEP_ROWS
SETTINGS = (
    "main: n_kv_max = 512, n_batch = 2048, n_ubatch = 256, flash_attn = 1, n_gpu_layers = 20, "
    "n_threads = 6, n_threads_batch = 6\n"
)
COMMAND = "./llama-sweep-bench -m /somewhere/Toy-7B-Q5_K_M.gguf -c 512\n"
BATCHED = """\
|    PP |     TG |    B |   N_KV |   T_PP s | S_PP t/s |   T_TG s | S_TG t/s |      T s |    S t/s |
|-------|--------|------|--------|----------|----------|----------|----------|----------|----------|
|   128 |     32 |    1 |    160 |    0.250 |   512.00 |    1.000 |    32.00 |    1.250 |   128.00 |
|   128 |     32 |    4 |    640 |    0.900 |   568.89 |    1.600 |    80.00 |    2.500 |   256.00 |
"""
ROW: dict[str, Any] = {
    "n_kv_max": 512, "n_batch": 2048, "n_ubatch": 256, "flash_attn": 1, "is_pp_shared": 0,
    "n_gpu_layers": 20, "n_threads": 6, "n_threads_batch": 6, "pp": 128, "tg": 32, "pl": 1,
    "n_kv": 160, "t_pp": 0.25, "speed_pp": 512.0, "t_tg": 1.0, "speed_tg": 32.0, "t": 1.25,
    "speed": 128.0,
}  # fmt: skip
SWEEP_FIGURES = {
    "pp256": 512.0, "tg64": 32.0, "pp256 @ d256": 400.0, "tg64 @ d256": 25.0,
}  # fmt: skip
BATCHED_FIGURES = {"pp128": 512.0, "tg32 @ d128": 32.0}


def figures(report: ImportedReport) -> dict[str, float]:
    labels = {row["attempt_id"]: row["label"] for row in report.rows["attempts"]}
    return {labels[row["attempt_id"]]: row["value"] for row in report.rows["metrics"]}


def _log(lines: str) -> str:
    return "".join(f"2026-01-02T03:04:05.678Z {line}\n" for line in lines.splitlines())


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("plain.md", SWEEP, SWEEP_FIGURES),
        ("command.md", COMMAND + SETTINGS + "\n" + SWEEP, SWEEP_FIGURES),
        ("log.txt", _log(COMMAND + SETTINGS + SWEEP), SWEEP_FIGURES),
        ("quoted.md", "".join(f"> {line}\n" for line in SWEEP.splitlines()), SWEEP_FIGURES),
        ("crlf.md", SWEEP.replace("\n", "\r\n"), SWEEP_FIGURES),
        ("decimal-comma.md", SWEEP.replace(".", ","), SWEEP_FIGURES),
        ("log-lines-between.md", SWEEP.replace("32.00 |\n", "32.00 |\nsome line\n"), SWEEP_FIGURES),
        ("batched.md", BATCHED, BATCHED_FIGURES),
        ("batched.txt", _log(SETTINGS + BATCHED), BATCHED_FIGURES),
        ("batched.jsonl", json.dumps(ROW) + "\n", BATCHED_FIGURES),
        ("among.jsonl", f"load: done\n{json.dumps(ROW)}\nbye\n", BATCHED_FIGURES),
        ("no-prompt.jsonl", json.dumps(ROW | {"pp": 0, "speed_pp": 0.0}), {"tg32": 32.0}),
        ("no-generation.jsonl", json.dumps(ROW | {"tg": 0, "speed_tg": 0.0}), {"pp128": 512.0}),
    ],
)
def test_rates_are_read_as_they_are_posted(
    tmp_path: Path, name: str, content: str, expected: dict[str, float]
) -> None:
    assert figures(read_report(put(tmp_path, name, content), model="Toy-7B")) == expected


def test_settings_and_the_file_of_the_run_are_of_the_cell(tmp_path: Path) -> None:
    report = read_report(put(tmp_path, "log.txt", COMMAND + SETTINGS + SWEEP))
    rows = report.rows["attempts"]
    assert {(row["model"], row["quant"], row["backend"]) for row in rows} == {
        ("Toy-7B", "Q5_K_M", "ik_llama.cpp")
    }
    assert json.loads(rows[0]["options"])["n_gpu_layers"] == 20
    assert "n_kv_max" not in json.loads(rows[0]["options"])


def test_rows_of_several_sequences_are_left_out_and_counted(tmp_path: Path) -> None:
    report = read_report(put(tmp_path, "b.md", BATCHED), model="Toy-7B")
    assert any("1 row of several sequences at once left out" in note for note in report.skipped)
    assert max(figures(report).values()) == 512.0


def test_each_table_has_the_facts_above_it(tmp_path: Path) -> None:
    slower = SWEEP.replace("0.500 |   512.00", "0.512 |   500.00")
    text = f"### IQ4_XS\n{SWEEP}\n### Q6_K\n{slower}\n{SWEEP}"
    rows = read_report(put(tmp_path, "two.md", text), model="Toy-7B").rows["attempts"]
    assert [row["quant"] for row in rows] == ["IQ4_XS"] * 4 + ["Q6_K"] * 4 + ["unknown"] * 4


@pytest.mark.parametrize("cell", ["nan", "-5.00", "0.00", "fast", "", "inf"])
def test_a_figure_that_is_no_rate_is_refused_and_the_others_are_read(
    tmp_path: Path, cell: str
) -> None:
    report = read_report(put(tmp_path, "t.md", SWEEP.replace("400.00", cell)), model="Toy-7B")
    assert figures(report) == {"pp256": 512.0, "tg64": 32.0}
    assert any("line 4: speed_pp is" in line for line in report.refused)


def test_a_row_with_another_number_of_cells_is_refused(tmp_path: Path) -> None:
    content = SWEEP.replace("|   256 |     64 |    256 |", "|   256 |    256 |")
    report = read_report(put(tmp_path, "t.md", content), model="Toy-7B")
    assert figures(report) == {"pp256": 512.0, "tg64": 32.0}
    assert any("line 4 has 6 cells, not 7" in line for line in report.refused)
