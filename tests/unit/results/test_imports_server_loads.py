"""guidellm and AIPerf: medians of one request at a time, and what is no such run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from imports_files import put

from grid.errors import InputError
from grid.results.imports import ImportedReport, read_report


def over(median: float, mean: float | None = None) -> dict[str, Any]:
    good = {"median": median, "mean": mean or median, "percentiles": {"p50": median}}
    return {"successful": good, "total": {"median": 99.0, "mean": 99.0}}


METRICS: dict[str, Any] = {
    "request_totals": {"successful": 10, "incomplete": 1, "errored": 0, "total": 11},
    "request_latency": over(1.99), "time_to_first_token_ms": over(100.0),
    "inter_token_latency_ms": over(15.0), "time_per_output_token_ms": over(15.5),
    "prompt_token_count": over(512.0), "output_token_count": over(127.0, 128.2),
}  # fmt: skip
BENCHMARK: dict[str, Any] = {
    "config": {"strategy": {"type_": "synchronous"}, "backend": {"model": "org/Toy-7B-AWQ"}},
    "start_time": 1_767_323_045.0, "metrics": METRICS,
}  # fmt: skip
GUIDE: dict[str, Any] = {
    "metadata": {"version": 2, "guidellm_version": "0.7.0"}, "benchmarks": [BENCHMARK],
}  # fmt: skip

AIPERF: dict[str, Any] = {
    "aiperf_version": "0.10.0", "start_time": "2026-01-02T03:04:05.1", "was_cancelled": False,
    "request_latency": {"unit": "ms", "avg": 2000.0, "p50": 1990.0},
    "time_to_first_token": {"unit": "ms", "avg": 110.0, "p50": 100.0},
    "inter_token_latency": {"unit": "ms", "avg": 16.0, "p50": 15.0},
    "input_sequence_length": {"unit": "tokens", "avg": 512.0},
    "output_sequence_length": {"unit": "tokens", "avg": 128.0},
    "request_count": {"unit": "requests", "avg": 10.0},
    "input_config": {
        "endpoint": {"model_names": ["org/Toy-7B-AWQ"]}, "loadgen": {"concurrency": 1},
    },
}  # fmt: skip
FIGURES = {"ttft_s": 0.1, "tpot_s": 0.015, "e2e_s": 1.99}


def guide(**changes: Any) -> dict[str, Any]:
    return {**GUIDE, "benchmarks": [{**BENCHMARK, **changes}]}


def strategy(**fields: Any) -> dict[str, Any]:
    return guide(config={**BENCHMARK["config"], "strategy": fields})


def metrics(**changes: Any) -> dict[str, Any]:
    return guide(metrics={**METRICS, **changes})


def figures(report: ImportedReport) -> dict[str, float]:
    return {row["name"]: row["value"] for row in report.rows.get("metrics", ())}


def without(name: str) -> dict[str, float]:
    return {key: value for key, value in FIGURES.items() if key != name}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (GUIDE, FIGURES),
        (strategy(type_="concurrent", streams=1), FIGURES),
        (strategy(type_="throughput", max_concurrency=1), FIGURES),
        (metrics(time_to_first_token_ms=over(0.0)), without("ttft_s")),
        (metrics(inter_token_latency_ms=None), without("tpot_s")),
        (guide(start_time="soon"), FIGURES),
        ({**guide(config={"strategy": {"type_": "synchronous"}}),
          "args": {"model": "org/Toy-7B-AWQ"}}, FIGURES),
        ({**GUIDE, "benchmarks": [BENCHMARK, *strategy(type_="poisson")["benchmarks"]]}, FIGURES),
        (AIPERF, FIGURES),
        ({**AIPERF, "time_to_first_token": None}, without("ttft_s")),
        ({**AIPERF, "request_latency": {"unit": "sec", "p50": 1.99}}, FIGURES),
        ({k: v for k, v in AIPERF.items() if k != "aiperf_version"}, FIGURES),
        ({**AIPERF, "start_time": None}, FIGURES),
    ],
)  # fmt: skip
def test_one_request_at_a_time_is_a_latency(
    tmp_path: Path, content: dict[str, Any], expected: dict[str, float]
) -> None:
    for written in (json.dumps(content), "INFO start\n" + json.dumps(content) + "\nINFO end\n"):
        report = read_report(put(tmp_path, "r.json", written))
        assert figures(report) == pytest.approx(expected)
        (row,) = report.rows["attempts"]
        assert (row["label"], row["quant"].lower()) == ("latency 512+128", "awq")
        assert not report.refused


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (strategy(type_="poisson", rate=2.0), "not one request at a time"),
        (strategy(type_="concurrent", streams=8), "not one request at a time"),
        (strategy(type_="throughput"), "not one request at a time"),
        (strategy(), "not one request at a time"),
        (metrics(request_totals={"successful": 0}), "no request was completed"),
        (metrics(request_latency=over(-1.0)), "not a number from 0 on"),
        (metrics(request_latency=over(float("nan"))), "not a number from 0 on"),
        (metrics(output_token_count=None), "no tokens in or out"),
        (metrics(request_latency=None, time_to_first_token_ms=over(0.0),
                 inter_token_latency_ms=None), "no latency in it"),
        ({**AIPERF, "input_config": {"loadgen": {"concurrency": 100}}}, "concurrency 100"),
        ({**AIPERF, "input_config": {}}, "concurrency is not said"),
        ({**AIPERF, "was_cancelled": True}, "was cancelled"),
        ({**AIPERF, "request_count": {"avg": 0}}, "no request was completed"),
        ({**AIPERF, "request_latency": {"unit": "tokens", "p50": 3.0}}, "which is no s"),
        ({**AIPERF, "request_latency": {"p50": 3.0}}, "which is no s"),
        ({**AIPERF, "input_sequence_length": None}, "no tokens in or out"),
    ],
)  # fmt: skip
def test_loads_and_damaged_runs_are_said_and_never_stored(
    tmp_path: Path, content: dict[str, Any], why: str
) -> None:
    path = put(tmp_path, "r.json", json.dumps(content))
    try:
        report = read_report(path)
    except InputError as error:
        lines = [str(error)]
    else:
        lines = [*report.refused, *report.skipped]
        assert not report.count
    assert any(why in line for line in lines), lines
