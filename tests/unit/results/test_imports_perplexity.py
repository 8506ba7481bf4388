"""Logs of llama-perplexity become quality and task rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from imports_files import KLD_LOG, LOG, PPL_LOG, put

from grid.errors import InputError
from grid.results.imports import ImportedReport, read_report
from grid.results.metrics import METRICS


def figures(report: ImportedReport) -> dict[str, tuple[float, float | None]]:
    return {row["name"]: (row["value"], row["sd"]) for row in report.rows["metrics"]}


def test_perplexity_comes_with_its_error_text_and_model(tmp_path: Path) -> None:
    report = read_report(put(tmp_path, "p.log", PPL_LOG))
    (row,), (metric,) = report.rows["attempts"], report.rows["metrics"]
    assert (metric["name"], metric["value"], metric["sd"]) == ("perplexity", 6.4071, 0.03912)
    assert metric["high"] - metric["value"] == pytest.approx(1.95996 * 0.03912, rel=1e-5)
    assert (row["model"], row["quant"], row["family"]) == ("Meta-Llama-3-8B", "Q4_K_M", "llama")
    assert row["hardware_class"] == "NVIDIA GeForce RTX 4090 [llama-perplexity]"
    assert row["scope"] == "cuda [llama-perplexity]"
    assert row["engine_version"] == "4242 (a1b2c3d4)"
    workload = json.loads(row["workload"])
    assert (workload["context"], workload["chunks"], workload["reference"]) == (512, 564, None)


def test_divergence_is_converted_to_our_units(tmp_path: Path) -> None:
    report = read_report(put(tmp_path, "k.log", KLD_LOG))
    got = figures(report)
    assert got["perplexity"] == (6.407115, 0.039119)
    assert got["ln_ppl_ratio"] == (0.027771, 0.000706)
    assert got["kld_mean"] == (0.031273, 0.000238)
    assert got["kld_p99"] == (0.3348, None)
    assert got["kld_min"] == (-0.000013, None)
    assert got["dp_mean"] == pytest.approx((-0.00596, 0.00014))
    assert got["dp_p01"][0] == pytest.approx(-0.21461)
    assert got["dp_rms"] == pytest.approx((0.05519, 0.0005))
    assert got["same_top1"] == pytest.approx((0.92464, 0.00069))
    assert set(got) <= set(METRICS)


def test_all_metrics_of_the_summary_are_kept_or_named(tmp_path: Path) -> None:
    report = read_report(put(tmp_path, "k.log", KLD_LOG))
    assert report.skipped == (
        "k.log: left out: 10.0% KLD, 5.0% KLD, 1.0% KLD, 0.1% KLD: rows hold no such percentiles",
    )
    assert len(figures(report)) == 26


def test_winogrande_is_accuracy_over_chance(tmp_path: Path) -> None:
    log = LOG + "Final Winogrande score(1267 tasks): 73.4017 +/- 1.2418\n"
    report = read_report(put(tmp_path, "w.log", log))
    (row,) = report.rows["attempts"]
    got = figures(report)
    assert row["label"] == "task commonsense (winogrande)"
    assert got["accuracy"] == pytest.approx((0.734017, 0.012418))
    assert got["chance"][0] == 0.5
    assert got["capability"] == pytest.approx((0.468034, 0.024836))
    assert {m["n"] for m in report.rows["metrics"]} == {1267}


def test_the_last_line_of_hellaswag_counts(tmp_path: Path) -> None:
    log = LOG + (
        "hellaswag_score : calculating hellaswag score over selected tasks.\n"
        "\ntask\tacc_norm\t95% confidence interval\n"
        "1\t100.00000000%\t[20.6543%, 100.0000%]\n"
        "400\t78.25000000%\t[73.9459%, 82.0237%]\n"
    )
    got = figures(read_report(put(tmp_path, "h.log", log)))
    assert got["accuracy"] == pytest.approx((0.7825, (0.7825 * 0.2175 / 399) ** 0.5))
    assert got["capability"][0] == pytest.approx(0.71)


def test_a_multiple_choice_score_is_skipped_since_its_questions_are_unnamed(
    tmp_path: Path,
) -> None:
    log = LOG + "multiple_choice_score: done\n Final result: 42.0000 +/- 1.4000\n"
    report = read_report(put(tmp_path, "m.log", log))
    assert report.count == 0
    assert "does not say of which questions" in report.skipped[0]


def test_hardware_and_model_options_fill_what_the_log_lacks(tmp_path: Path) -> None:
    bare = "Final estimate: PPL = 6.4071 +/- 0.03912\n"
    report = read_report(put(tmp_path, "p.log", bare), hardware="my box", model="mine")
    (row,) = report.rows["attempts"]
    assert (row["model"], row["node"], row["quant"]) == ("mine", "my box", "unknown")
    assert "does not say the quantization" in report.skipped[0]


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (PPL_LOG.replace("6.4071 +", "nan +"), "perplexity is 'nan', not a finite number"),
        (PPL_LOG.replace("6.4071 +", "-6.4071 +"), "which cannot be negative"),
        (LOG, "no report that is known"),
        (LOG + "Final Winogrande score(100 tasks): 173.4 +/- 1.2\n", "not between 0 and 100"),
    ],
)
def test_a_perplexity_log_of_a_failed_run_is_refused(tmp_path: Path, log: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_report(put(tmp_path, "p.log", log))
