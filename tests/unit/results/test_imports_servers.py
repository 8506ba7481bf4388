"""Reports of tools that ask a server, one request at a time: vLLM's, llama-benchy's, llmfit's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from imports_files import put

from grid.errors import InputError
from grid.results.imports import ImportedReport, read_report

SERVE: dict[str, Any] = {
    "date": "20260102-030405", "backend": "openai", "model_id": "org/Toy-7B-AWQ",
    "tokenizer_id": "org/Toy-7B-AWQ", "num_prompts": 10, "request_rate": "inf",
    "max_concurrency": 1, "duration": 20.0, "completed": 10, "total_input_tokens": 5120,
    "total_output_tokens": 1280, "request_throughput": 0.5, "output_throughput": 64.0,
    "mean_ttft_ms": 110.0, "median_ttft_ms": 100.0, "mean_tpot_ms": 15.5, "median_tpot_ms": 15.0,
    "median_itl_ms": 14.0, "mean_e2el_ms": 2000.0, "median_e2el_ms": 1990.0,
}  # fmt: skip
SERVE_FIGURES = {"ttft_s": 0.1, "tpot_s": 0.015, "e2e_s": 1.99, "itl_p50_s": 0.014}


def rate(*values: float) -> dict[str, Any]:
    return {"mean": sum(values) / len(values), "std": 1.0, "values": list(values)}


RUN: dict[str, Any] = {
    "concurrency": 1, "context_size": 0, "prompt_size": 512, "response_size": 64,
    "is_context_prefill_phase": False, "pp_throughput": rate(1000.0, 1010.0, 990.0),
    "tg_throughput": rate(40.0, 41.0, 42.0), "e2e_ttft": rate(500.0, 510.0, 520.0),
}  # fmt: skip
BENCHY: dict[str, Any] = {
    "version": "0.3", "timestamp": "2026-01-02 03:04:05", "latency_mode": "api",
    "latency_ms": 1.0, "model": "Toy-7B-Q4_K_M.gguf", "prefix_caching_enabled": False,
    "max_concurrency": 1, "benchmarks": [RUN],
}  # fmt: skip
BENCHY_FIGURES = {"prefill_tps": 1000.0, "decode_tps": 41.0, "ttft_s": 0.51}

RESULT: dict[str, Any] = {
    "model": "toy:7b", "provider": "ollama", "numRuns": 3, "avgTps": 100.0, "avgTtftMs": 50.0,
    "avgTotalMs": 1040.0, "avgOutputTokens": 100.0,
}  # fmt: skip
LLMFIT: dict[str, Any] = {
    "schemaVersion": 1, "submittedAtUnix": 1767323045, "tool": {"name": "llmfit", "version": "1"},
    "hardware": {"hardwareName": "Some Card 24", "os": "linux", "vramGb": 24.0},
    "results": [RESULT],
}  # fmt: skip
LLMFIT_FIGURES = {"ttft_s": 0.05, "tpot_s": 0.01, "e2e_s": 1.04}


def figures(report: ImportedReport) -> dict[str, float]:
    return {row["name"]: row["value"] for row in report.rows.get("metrics", ())}


def read(folder: Path, name: str, content: Any) -> ImportedReport:
    text = content if isinstance(content, str) else json.dumps(content)
    return read_report(put(folder, name, text))


def outcome(folder: Path, content: dict[str, Any]) -> tuple[str, set[str]]:
    """What is said of a report, and the names of the figures that are stored."""
    try:
        report = read(folder, "r.json", content)
    except InputError as error:
        return str(error), set()
    return "\n".join((*report.refused, *report.skipped)), set(figures(report))


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("serve.json", SERVE, SERVE_FIGURES),
        ("pretty.json", json.dumps(SERVE, indent=2), SERVE_FIGURES),
        ("two.jsonl", json.dumps(SERVE) + "\n", SERVE_FIGURES),
        ("log.txt", "INFO start\n" + json.dumps(SERVE) + "\nINFO end\n", SERVE_FIGURES),
        ("unbounded.json", {**SERVE, "max_concurrency": None}, SERVE_FIGURES),
        ("single.json", {**SERVE, "max_concurrency": None, "completed": 1, "duration": 9,
                         "total_input_tokens": 512, "total_output_tokens": 128}, SERVE_FIGURES),
        ("no-itl.json", {k: v for k, v in SERVE.items() if "itl" not in k},
         {k: v for k, v in SERVE_FIGURES.items() if k != "itl_p50_s"}),
        ("no-date.json", {**SERVE, "date": "yesterday"}, SERVE_FIGURES),
        ("benchy.json", BENCHY, BENCHY_FIGURES),
        ("benchy-pretty.json", json.dumps(BENCHY, indent=1), BENCHY_FIGURES),
        ("no-prompt.json", {**BENCHY, "benchmarks": [{**RUN, "pp_throughput": None}]},
         {k: v for k, v in BENCHY_FIGURES.items() if k != "prefill_tps"}),
        ("no-ttft.json", {**BENCHY, "benchmarks": [{**RUN, "e2e_ttft": None}]},
         {k: v for k, v in BENCHY_FIGURES.items() if k != "ttft_s"}),
        ("llmfit.json", LLMFIT, LLMFIT_FIGURES),
        ("no-first.json", {**LLMFIT, "results": [{**RESULT, "avgTtftMs": None}]}, {"e2e_s": 1.04}),
        ("mlx.json", {**LLMFIT, "results": [{**RESULT, "provider": "mlx"}]}, LLMFIT_FIGURES),
    ],
)  # fmt: skip
def test_one_request_at_a_time_is_read(
    tmp_path: Path, name: str, content: Any, expected: dict[str, float]
) -> None:
    assert figures(read(tmp_path, name, content)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({**SERVE, "max_concurrency": 8}, "several requests at once"),
        ({**SERVE, "max_concurrency": None, "duration": 4.0}, "several requests at once"),
        ({**SERVE, "completed": 0}, "no request was completed"),
        ({**SERVE, "total_output_tokens": 0}, "no tokens in or out"),
        ({**SERVE, "median_ttft_ms": -1}, "not a number from 0 on"),
        ({**BENCHY, "benchmarks": [{**RUN, "concurrency": 4}]}, "several requests at once"),
        ({**BENCHY, "benchmarks": [{**RUN, "tg_throughput": {"mean": 80.0, "values": [40.0]}}]},
         "its mean is not that of its values"),
        ({**BENCHY, "benchmarks": [{**RUN, "tg_throughput": {"mean": 1, "values": [0, 2]}}]},
         "no positive numbers"),
        ({**LLMFIT, "results": [{**RESULT, "avgTtftMs": 9999.0}]}, "after the last"),
        ({**LLMFIT, "results": [{**RESULT, "avgTotalMs": None}]}, "avgTotalMs is missing"),
        ({**LLMFIT, "results": [{**RESULT, "avgOutputTokens": 1}]}, "too few to time"),
    ],
)  # fmt: skip
def test_what_is_no_such_figure_is_said_and_never_stored(
    tmp_path: Path, content: dict[str, Any], why: str
) -> None:
    lines, stored = outcome(tmp_path, content)
    assert why in lines
    assert stored <= {"prefill_tps"}


def test_context_held_before_is_the_depth(tmp_path: Path) -> None:
    held = {**RUN, "context_size": 4096, "e2e_ttft": None}
    filled = {**held, "is_context_prefill_phase": True, "tg_throughput": None}
    report = read(tmp_path, "b.json", {**BENCHY, "benchmarks": [filled, held]})
    assert [row["label"] for row in report.rows["attempts"]] == [
        "pp4096", "pp512 @ d4096", "tg64 @ d4608",
    ]  # fmt: skip


def test_names_say_model_quant_and_engine(tmp_path: Path) -> None:
    served = read(tmp_path, "s.json", SERVE).rows["attempts"][0]
    assert (served["quant"].lower(), served["backend"]) == ("awq", "unnamed server")
    timed = read(tmp_path, "b.json", BENCHY).rows["attempts"][0]
    assert (timed["model"], timed["quant"]) == ("Toy-7B-Q4_K_M.gguf", "Q4_K_M")
    report = read(tmp_path, "l.json", LLMFIT)
    fitted = report.rows["attempts"][0]
    assert (fitted["backend"], fitted["quant"]) == ("ollama", "as served")
    assert "Some Card 24" in fitted["hardware_class"]
    assert any("no precision is said" in line for line in report.skipped)


QBENCH = [
    {"label": "BF16", "group": "reference", "ppl": 8.0, "bpw_layer": 16.0, "vram_gb": 14.0},
    {"label": "Noise floor", "group": "noise_floor", "ppl": 8.001, "kld": 1e-4},
    {"label": "4.0bpw", "group": "EXL3", "ppl": 8.2, "kld": 0.02, "kld_median": 0.01,
     "kld_p90": 0.05, "bpw_layer": 4.0, "kld_buckets": []},
    {"label": "broken", "group": "EXL3", "nonfinite_share": 1.0},
]  # fmt: skip


def test_qbench_gives_quality_of_each_model(tmp_path: Path) -> None:
    report = read_report(put(tmp_path, "q.json", json.dumps(QBENCH)), model="Toy-7B")
    quants = [row["quant"] for row in report.rows["attempts"]]
    assert quants == ["BF16", "EXL3 4.0bpw"]
    assert figures(report) == {
        "perplexity": 8.2, "kld_mean": 0.02, "kld_median": 0.01, "kld_p90": 0.05,
    }  # fmt: skip
    assert sum("left out" in line or "no finite logits" in line for line in report.skipped) == 2


@pytest.mark.parametrize("change", [{"ppl": 0.5}, {"kld": -1.0}, {"ppl": "NaN"}, {"kld": "x"}])
def test_impossible_figures_of_qbench_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    entries = [QBENCH[0], {**QBENCH[2], **change}]
    report = read_report(put(tmp_path, "q.json", json.dumps(entries)), model="Toy-7B")
    assert [row["quant"] for row in report.rows["attempts"]] == ["BF16"]
    assert len(report.refused) == 1


@pytest.mark.parametrize(
    ("changes", "engine"),
    [
        ({"backend": "vllm"}, "unnamed server"), ({"backend": "openai-chat"}, "unnamed server"),
        ({"backend": "tgi"}, "tgi"), ({"backend": None, "endpoint_type": "sglang"}, "sglang"),
        ({"backend": "llama.cpp"}, "llama.cpp"), ({"spec_decode_num_drafts": 9}, "vllm"),
        ({"engine": "SGLang"}, "sglang"), ({"framework": "vLLM"}, "vllm"),
    ],
)  # fmt: skip
def test_the_engine_is_named_where_the_run_tells_it(
    tmp_path: Path, changes: dict[str, Any], engine: str
) -> None:
    (row,) = read(tmp_path, "s.json", {**SERVE, **changes}).rows["attempts"]
    assert row["backend"] == engine


def test_the_users_own_notes_make_another_cell(tmp_path: Path) -> None:
    rows = [
        read(tmp_path, "s.json", {**SERVE, **notes}).rows["attempts"][0]
        for notes in ({}, {"tp": "2"}, {"spec_decode_num_drafts": 9}, {"p99_ttft_ms": 300.0})
    ]
    assert len({row["cell_id"] for row in rows[:3]}) == 3
    assert rows[3]["cell_id"] == rows[0]["cell_id"]
