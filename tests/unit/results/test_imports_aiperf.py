"""AIPerf's CSV, its requests as JSONL, and its sweeps: the same figures, one request at a time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from imports_files import put

from grid.errors import InputError
from grid.results.imports import ImportedReport, read_report

FIGURES = {"ttft_s": 0.1, "tpot_s": 0.015, "e2e_s": 2.0}
CSV = """\
Metric,avg,min,max,p1,p50,p99,std
Input Sequence Length (tokens),512.00,512,512,512,512.00,512,0
Inter Token Latency (ms),16.00,14.00,20.00,14.00,15.00,20.00,1.00
Output Sequence Length (tokens),128.00,128,128,128,128.00,128,0
Request Latency (ms),2010.00,1990.00,2100.00,1990.00,2000.00,2100.00,20.00
Time to First Token (ms),110.00,90.00,200.00,90.00,100.00,200.00,20.00

Metric,Value
Benchmark Duration (sec),20.20
Request Count,10
"""


def request(at: int, start: float, seconds: float = 2.0, **changes: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "session_num": at, "benchmark_phase": "profiling",
            "request_start_ns": round(start * 1e9),
            "request_end_ns": round((start + seconds) * 1e9),
        },
        "metrics": {
            "time_to_first_token": {"value": 100.0, "unit": "ms"},
            "inter_token_latency": {"value": 15.0, "unit": "ms"},
            "request_latency": {"value": seconds * 1e3, "unit": "ms"},
            "input_sequence_length": {"value": 512, "unit": "tokens"},
            "output_sequence_length": {"value": 128, "unit": "tokens"},
        },
        "error": None,
    } | changes  # fmt: skip


def jsonl(*requests: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in requests)


def combination(**parameters: Any) -> dict[str, Any]:
    values = {
        "time_to_first_token_p50": (100.0, "ms"), "inter_token_latency_p50": (15.0, "ms"),
        "request_latency_p50": (2.0, "sec"), "input_sequence_length_avg": (512.0, "tokens"),
        "output_sequence_length_avg": (128.0, "tokens"), "time_to_first_token_p99": (900.0, "ms"),
    }  # fmt: skip
    metrics = {name: {"mean": mean, "unit": unit} for name, (mean, unit) in values.items()}
    return {"parameters": parameters, "metrics": metrics}


def sweep(*runs: dict[str, Any]) -> str:
    return json.dumps({"aggregation_type": "sweep", "per_combination_metrics": list(runs)})


APART = jsonl(request(0, 0.0), request(1, 2.5), request(2, 5.0))
WHOLE = {
    "profile_export_aiperf.csv": CSV, "profile_export.jsonl": APART,
    "profile_export_aiperf_sweep.json": sweep(combination(concurrency=1)),
}  # fmt: skip


def figures(report: ImportedReport) -> dict[str, float]:
    return {row["name"]: row["value"] for row in report.rows["metrics"]}


@pytest.mark.parametrize("name", WHOLE)
def test_each_output_gives_the_medians(tmp_path: Path, name: str) -> None:
    report = read_report(put(tmp_path, name, WHOLE[name]), model="Toy-7B")
    assert figures(report) == pytest.approx(FIGURES)
    (row,) = report.rows["attempts"]
    assert (row["label"], row["model"]) == ("latency 512+128", "Toy-7B")
    assert row["backend"] == "unnamed server"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.csv", CSV.replace("20.20", "5.00")), ("p.csv", CSV.replace("Benchmark", "Other")),
        ("p.jsonl", jsonl(request(0, 0.0), request(1, 1.0))),
        ("s.json", sweep(combination(concurrency=8))), ("s.json", sweep(combination(rate=1))),
    ],
)  # fmt: skip
def test_several_requests_at_once_are_left_out(tmp_path: Path, name: str, content: str) -> None:
    report = read_report(put(tmp_path, name, content))
    assert report.count == 0
    assert any("left out" in line for line in report.skipped)


def test_only_the_combination_of_one_request_is_read(tmp_path: Path) -> None:
    runs = [combination(**{"phases.profiling.concurrency": n, "isl": 512}) for n in (1, 2, 4)]
    (row,) = read_report(put(tmp_path, "s.json", sweep(*runs))).rows["attempts"]
    assert json.loads(row["options"]) == {"isl": "512"}


def test_failed_and_warming_requests_are_no_samples(tmp_path: Path) -> None:
    failed = request(1, 2.5, 0.1, error={"code": 499}, metrics={"error_isl": {"value": 1}})
    warm = request(9, 1.0, 9.0)
    warm["metadata"]["benchmark_phase"] = "warmup"
    report = read_report(put(tmp_path, "p.jsonl", jsonl(warm, request(0, 0.0), failed)))
    assert figures(report)["e2e_s"] == pytest.approx(2.0)
    assert any("requests that failed are left out: 1" in line for line in report.skipped)


def test_a_cut_request_is_said(tmp_path: Path) -> None:
    report = read_report(put(tmp_path, "p.jsonl", APART[:-60]))
    assert report.count == 1
    assert "line 3: not whole JSON" in report.refused[0]


@pytest.mark.parametrize(
    ("before", "is_read"),
    [
        ("> ", True), ("INFO ", True), ("[12:34:56] ", True), ("2026-01-02T03:04:05Z ", True),
        ("0.05.123.456 I ", True), ("  ", True), ("| ", False), ("** ", False), ("x", False),
        ("request 2: ", False), ("{", False),
    ],
)  # fmt: skip
def test_a_request_behind_a_prefix_is_read_or_said(
    tmp_path: Path, before: str, is_read: bool
) -> None:
    lines = [json.dumps(request(at, at * 5.0, 1.0 + at)) for at in range(3)]
    lines[2] = before + lines[2]
    report = read_report(put(tmp_path, "p.jsonl", "\n".join(lines)))
    assert figures(report)["e2e_s"] == pytest.approx(2.0 if is_read else 1.5)
    assert len(report.refused) == (0 if is_read else 1)
    assert is_read or "line 3" in report.refused[0]


@pytest.mark.parametrize("name", ["profile_export_aiperf.csv", "profile_export.jsonl"])
def test_a_run_is_read_once_where_its_json_lies_beside(tmp_path: Path, name: str) -> None:
    put(tmp_path, "profile_export_aiperf.json", "{}")
    report = read_report(put(tmp_path, name, WHOLE[name]))
    assert report.count == 0
    assert any("profile_export_aiperf.json" in line for line in report.skipped)


def test_units_of_other_kinds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="tokens"):
        read_report(
            put(
                tmp_path,
                "p.csv",
                CSV.replace("Request Latency (ms)", "Request Latency (tokens)").replace(
                    "Request Count,10", "Request Count,1"
                ),
            )
        )
