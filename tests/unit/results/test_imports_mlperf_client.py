"""MLPerf Client's results.json: a cell for each category, on the device that the run names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from imports_files import put

from grid.errors import InputError
from grid.results.imports import read_report

CATEGORY: dict[str, Any] = {
    "Avg Time to First Token": 0.25, "Avg 2nd+ Token Generation Rate": 40.5,
    "Avg Input Tokens": 512, "Avg Generated Tokens": 129,
}  # fmt: skip
RUN: dict[str, Any] = {
    "BuildVer": "1.0", "Scenario Name": "Llama3", "Model Name": "Llama 3.1 8B Instruct",
    "Model File Name": "Llama-3.1-8B-Instruct-Q4_K_M.gguf", "Iterations": 3,
    "Execution Provider Name": "llama.cpp", "Device Type": "GPU",
    "EP Configuration": {"device_type": "GPU", "gpu_layers": 99}, "Benchmark Success": True,
    "Results Verified": True, "Error Message": "", "SysInfo_CPUModel": "Some Chip",
    "SysInfo_GPUNames": ["Some Card"],
    "overall_results": {"Geomean Time to First Token": 9.0},
    "category_results": {"Code": CATEGORY, "Creative": {**CATEGORY, "Avg Input Tokens": 64}},
}  # fmt: skip


def lines(*runs: dict[str, Any]) -> str:
    return "".join(json.dumps(run) + "\n" for run in runs)


def test_each_category_gives_a_latency_and_a_rate(tmp_path: Path) -> None:
    rows = read_report(put(tmp_path, "results.json", lines(RUN))).rows
    assert [row["label"] for row in rows["attempts"]] == [
        "latency 512+129", "tg128 @ d512", "latency 64+129", "tg128 @ d64",
    ]  # fmt: skip
    assert [(row["name"], row["value"]) for row in rows["metrics"]] == [
        ("ttft_s", 0.25), ("decode_tps", 40.5),
    ] * 2  # fmt: skip
    assert {(row["quant"], row["node"]) for row in rows["attempts"]} == {("Q4_K_M", "Some Card")}
    assert len({row["cell_id"] for row in rows["attempts"]}) == 4


@pytest.mark.parametrize(
    ("changes", "node"),
    [
        ({"Device Type": "CPU"}, "Some Chip"), ({"Device Type": "NPU"}, "unnamed unknown hardware"),
        ({"SysInfo_GPUNames": ["A", "B"]}, "unnamed unknown hardware"),
        ({"EP Configuration": {"device_name": "B"}, "SysInfo_GPUNames": ["A", "B"]}, "B"),
    ],
)  # fmt: skip
def test_hardware_is_the_device_of_the_run(
    tmp_path: Path, changes: dict[str, Any], node: str
) -> None:
    rows = read_report(put(tmp_path, "r.json", lines({**RUN, **changes}))).rows["attempts"]
    assert {row["node"] for row in rows} == {node}


def test_a_run_that_failed_is_refused_and_the_others_read(tmp_path: Path) -> None:
    failed = {**RUN, "Benchmark Success": False, "Error Message": "no memory"}
    report = read_report(put(tmp_path, "results.json", lines(failed, RUN)))
    assert report.count == 4
    assert "line 1: the run failed: no memory" in report.refused[0]
    with pytest.raises(InputError, match="the run failed: no memory"):
        read_report(put(tmp_path, "f.json", lines(failed)))
