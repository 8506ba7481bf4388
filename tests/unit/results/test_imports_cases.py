"""The smallest reports that were read wrong or not at all, each with its right figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grid.errors import InputError
from grid.results.imports import ImportedReport, read_report

CASES = Path(__file__).parents[4] / "shared/cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared/cases")


def figures(report: ImportedReport) -> list[tuple[str, str, str, float]]:
    """(model, quant, metric, value) of all figures, in their order."""
    attempts = {row["attempt_id"]: row for row in report.rows["attempts"]}
    return [
        (
            attempts[metric["attempt_id"]]["model"],
            attempts[metric["attempt_id"]]["quant"],
            metric["name"],
            metric["value"],
        )
        for metric in report.rows["metrics"]
    ]


def values(name: str) -> dict[str, float]:
    return {metric: value for _, _, metric, value in figures(read_report(CASES / name))}


def origin_or_error(name: str) -> str:
    """Whose report it is taken for: of what is read, or in the words that refuse it."""
    try:
        return read_report(CASES / name).origin
    except InputError as error:
        return str(error)


def test_01_samples_are_times_their_tokens() -> None:
    got = values("01-optimum-samples-per-s/benchmark.json")
    assert got == {"prefill_tps": pytest.approx(640.0), "decode_tps": 10.0}


def test_02_quantization_in_the_checkpoint_is_the_quant() -> None:
    folder = CASES / "02-optimum-quant-lost"
    names = ("aqlm", "int4_weight_only", "int8_weight_only")
    rows = [read_report(folder / f"{name}.json").rows["attempts"][0] for name in names]
    assert [row["quant"] for row in rows] == [
        "aqlm-2bit", "torchao-int4_weight_only", "torchao-int8_weight_only",
    ]  # fmt: skip
    assert len({row["cell_id"] for row in rows}) == 3


@pytest.mark.parametrize(("name", "cells"), [("table.md", 3), ("rows.json", 6), ("sm-dev.md", 4)])
def test_03_each_placement_is_a_cell(name: str, cells: int) -> None:
    rows = read_report(CASES / "03-bench-placement-options" / name).rows["attempts"]
    assert len({row["cell_id"] for row in rows}) == cells == len(rows)


def test_04_each_run_of_a_log_has_its_own_model() -> None:
    assert figures(read_report(CASES / "04-perplexity-two-runs/loop.log")) == [
        ("Llama-3.2-1B", "Q8_0", "perplexity", 13.1),
        ("Llama-3.2-1B", "Q4_0", "perplexity", 14.5),
    ]


def test_05_the_final_line_of_ik_llama_is_read() -> None:
    report = read_report(CASES / "05-ik-final-line/log.txt")
    assert [row["label"] for row in report.rows["attempts"]] == ["quality 250x512"]
    assert values("05-ik-final-line/log.txt") == {"perplexity": 4.7}


def test_06_names_cut_inside_a_character_do_not_lose_the_log() -> None:
    assert figures(read_report(CASES / "06-cut-utf8-in-log/log.txt")) == [
        ("Llama-3.2-1B", "Q4_0", "perplexity", 14.5)
    ]


def test_07_divergence_is_read_whatever_became_of_its_signs() -> None:
    got = values("07-kld-glyphs/underscore.txt")
    assert (got["perplexity"], got["kld_mean"], got["kld_p999"]) == (10.910139, 0.042532, 1.545680)
    assert (got["same_top1"], got["dp_mean"]) == pytest.approx((0.89938, -0.00979))
    assert (got["dp_max"], got["dp_rms"]) == pytest.approx((0.92244, 0.05843))


def test_07_prefixes_of_a_logger_are_passed_over() -> None:
    got = figures(read_report(CASES / "07-kld-glyphs/log-prefix.log"))
    assert got[:3] == [
        ("Llama-3.2-1B", "BF16", "perplexity", 13.09),
        ("Llama-3.2-1B", "Q4_0", "perplexity", 14.5),
        ("Llama-3.2-1B", "Q4_0", "kld_mean", 0.071),
    ]
    assert [name for *_, name, _ in got[3:]] == ["kld_max", "same_top1"]


@pytest.mark.parametrize("name", ["kldneg.txt", "kldneg2.txt"])
def test_08_a_divergence_a_little_below_zero_is_kept(name: str) -> None:
    got = values(f"08-kld-tiny-negative/{name}")
    assert (got["kld_mean"], got["kld_median"], got["kld_min"]) == (-1.9e-5, -1.8e-5, -4.3e-5)
    assert got["ln_ppl_ratio"] == -1.8e-5


@pytest.mark.parametrize("name", ["md_two_tables.md", "md_two_tables2.md"])
def test_09_a_table_ends_where_another_begins(name: str) -> None:
    report = read_report(CASES / "09-md-head-never-ends" / name)
    assert figures(report) == [("llama 8B", "Q4_K_M", "prefill_tps", 3000.0)]
    (note,) = report.skipped
    assert "the table of 'GPU, VRAM" in note
    assert report.refused == ()


def test_10_llama_benchy_is_told_apart() -> None:
    assert "llama-benchy" in origin_or_error("10-benchy-taken-for-llama-bench/benchy.md")


def test_11_each_table_has_its_own_build() -> None:
    report = read_report(CASES / "11-md-several-builds/builds45114.log")
    assert [row["engine_version"] for row in report.rows["attempts"]] == [
        "269b919ba (7673)", "269b919ba (7673)", "3343e1943 (7675)", "3343e1943 (7675)",
    ]  # fmt: skip
    assert [value for *_, value in figures(report)] == [655.33, 84.81, 603.5, 75.86]


@pytest.mark.parametrize("name", ["fffd", "latin1", "moji437", "mojiwin"])
def test_12_signs_in_a_wrong_encoding_are_read(name: str) -> None:
    report = read_report(CASES / f"12-md-mojibake/{name}.md")
    got = [(m["value"], m["sd"]) for m in report.rows["metrics"]]
    assert got == [(11.09, 0.0), (61.09, 0.5), (41.09, 0.5)]
    assert {row["node"] for row in report.rows["attempts"]} == {"NVIDIA GeForce RTX 5070"}


@pytest.mark.parametrize("name", ["md_comma", "md_fmt"])
def test_12_thousands_and_bold_are_read(name: str) -> None:
    assert values(f"12-md-mojibake/{name}.md") == {"prefill_tps": 3000.0}


@pytest.mark.parametrize(
    ("name", "figure"),
    [
        ("log_json.json", ("decode_tps", 100.0)),
        ("log_jsonl.jsonl", ("decode_tps", 100.0)),
        ("log_csv.csv", ("prefill_tps", 2413.341687)),
    ],
)
def test_13_lines_of_a_log_around_a_report_are_passed_over(
    name: str, figure: tuple[str, float]
) -> None:
    assert values(f"13-json-after-log-lines/{name}") == dict([figure])


def test_14_a_table_and_a_perplexity_of_one_note_are_read() -> None:
    report = read_report(CASES / "14-md-plus-ppl/mixed68388.md")
    assert report.origin == "llama-bench, llama-perplexity"
    assert values("14-md-plus-ppl/mixed68388.md") == {"prefill_tps": 19.43, "perplexity": 8.3448}
    assert any("does not name the model" in note for note in report.skipped)


def test_15_parts_count_where_the_group_has_no_figure() -> None:
    report = read_report(CASES / "15-lm-eval-group-blank/group_blank.json")
    assert values("15-lm-eval-group-blank/group_blank.json")["accuracy"] == pytest.approx(0.515)
    assert any("mmlu is the mean over 4 of 57 parts" in note for note in report.skipped)
    flan = read_report(CASES / "15-lm-eval-group-blank/flan.json")
    assert flan.count == 0
    assert "another flavour of mmlu" in flan.skipped[0]


def test_16_lighteval_is_told_apart() -> None:
    assert "lighteval" in origin_or_error("16-lighteval/results.json")


def wide(report: ImportedReport) -> list[dict[str, Any]]:
    return [json.loads(row["options"]) for row in report.rows["attempts"]]


def test_03_options_have_the_values_of_the_file() -> None:
    got = wide(read_report(CASES / "03-bench-placement-options/rows.json"))
    assert [options.get("cpu_expert_layers") for options in got] == [None, 24, *[None] * 4]
    assert [options.get("no_op_offload") for options in got] == [*[None] * 5, True]
