"""Neighbours of reports of optimum-benchmark, lm-evaluation-harness and lighteval."""

from __future__ import annotations

import json
from copy import deepcopy
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from imports_files import LM_EVAL, OPTIMUM, put

from grid.errors import InputError
from grid.results.imports import ImportedReport, read_report
from grid.results.imports.formats.lm_eval_tasks import PARTS
from grid.results.imports.hidden_quant import quant_in_path


def optimum(phase: str = "prefill", **changes: Any) -> dict[str, Any]:
    whole = deepcopy(OPTIMUM)
    whole["report"] = {phase: {**whole["report"][phase], **changes}}
    return whole


def value_of(report: ImportedReport, name: str) -> float | None:
    return next((m["value"] for m in report.rows.get("metrics", []) if m["name"] == name), None)


@pytest.mark.parametrize(
    ("unit", "value"),
    [
        ("samples/s", 10.0), ("sample/s", 10.0), ("requests/s", 10.0), ("tokens/s", 2560.0),
        ("token/s", 2560.0), ("tok/s", 2560.0), ("t/s", 2560.0), ("Tokens/s", 2560.0),
        (None, 2560.0), ("", 2560.0),
    ],
)  # fmt: skip
@pytest.mark.parametrize("latency", [{"mean": 0.1, "unit": "s"}, {"mean": 100.0, "unit": "ms"}, {}])
def test_a_rate_is_in_token_a_second_whatever_its_unit(
    tmp_path: Path, unit: str | None, value: float, latency: dict[str, Any]
) -> None:
    whole = optimum(throughput={"unit": unit, "value": value}, latency=latency)
    assert value_of(read_report(put(tmp_path, "b.json", whole)), "prefill_tps") == pytest.approx(
        2560.0
    )


@pytest.mark.parametrize(
    "throughput",
    [
        {"unit": "steps/s", "value": 10.0}, {"unit": "images/s", "value": 10.0},
        {"unit": "MB/s", "value": 2560.0}, {"unit": "tokens/s", "value": 10.0},
        {"unit": "samples/s", "value": 2560.0}, {"unit": None, "value": 10.0},
    ],
)  # fmt: skip
def test_a_rate_that_is_not_that_of_its_latency_is_refused(
    tmp_path: Path, throughput: dict[str, Any]
) -> None:
    whole = deepcopy(OPTIMUM)
    whole["report"]["prefill"]["throughput"] = throughput
    report = read_report(put(tmp_path, "b.json", whole))
    assert value_of(report, "prefill_tps") is None
    assert value_of(report, "decode_tps") == 32.0
    assert "prefill" in report.refused[0]


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        ({"unit": "MB", "max_ram": 900.0}, 900e6), ({"unit": "MiB", "max_ram": 900.0}, 900 * 2**20),
        ({"unit": "GB", "max_ram": 0.9}, 0.9e9), ({"max_ram": 900.0}, 900e6),
        ({"unit": "pages", "max_ram": 900.0}, None), ({"unit": "Gb", "max_ram": 900.0}, None),
    ],
)  # fmt: skip
def test_memory_is_in_bytes_whatever_its_unit(
    tmp_path: Path, memory: dict[str, Any], expected: float | None
) -> None:
    report = read_report(put(tmp_path, "b.json", optimum(memory=memory)))
    assert value_of(report, "peak_rss_bytes") == expected


@pytest.mark.parametrize(
    ("path", "quant"),
    [
        ("ISTA-DASLab/Llama-2-7b-AQLM-2Bit-1x16-hf", "aqlm-2bit"),
        ("VPTQ-community/Some-8B-Instruct-v8-k65536-65536-woft", "vptq-4bit"),
        ("VPTQ-community/Some-8B-Instruct-v8-k65536-0-woft", "vptq-2bit"),
        ("VPTQ-community/Some-8B-Instruct-v16-k65536-65536-woft", "vptq-2bit"),
        ("VPTQ-community/Some-8B", "vptq"),
        ("org/Some-8B-quantized.w4a16", "w4a16"),
        ("org/Some-8B-FP8-dynamic", "fp8"),
        ("org/Some-8B-bnb-4bit", "bnb-4bit"),
        ("org/Some-8B_4bitgs64_hqq_calib", "hqq"),
        ("org/Some-8B-spqr", "spqr"),
        ("org/Some-8B-eetq", "eetq-int8"),
        ("microsoft/bitnet-b1.58-2B-4T", "bitnet-1.58bit"),
        ("openai/gpt-oss-20b", "MXFP4"),
        ("unsloth/gpt-oss-20b-BF16", ""),
        ("org/Some-8B", ""),
        ("meta-llama/Llama-3.1-8B-Instruct", ""),
        ("/data/models/llama", ""),
    ],
)
def test_quantizations_that_a_path_names(tmp_path: Path, path: str, quant: str) -> None:
    assert quant_in_path(path) == quant
    whole = optimum("decode")
    backend = {"model": path, "quantization_scheme": None, "quantization_config": {}}
    whole["config"]["backend"] |= backend | {"torch_dtype": "bfloat16"}
    (row,) = [
        row
        for row in read_report(put(tmp_path, "b.json", whole)).rows["attempts"]
        if row["measure"] == "decode"
    ]
    assert row["quant"] == (quant or "BF16")


CONFIGS: list[tuple[str | None, dict[str, Any]]] = [
    ("torchao", {"quant_type": "int4_weight_only"}),
    ("torchao", {"quant_type": "int8_weight_only"}),
    ("torchao", {"quant_type": "int4_weight_only", "group_size": 32}),
    ("torchao", {"quant_type": "int4_weight_only", "group_size": 128}),
    ("bnb", {"load_in_4bit": True}),
    ("bnb", {"load_in_8bit": True}),
    ("bnb", {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}),
    ("gptq", {"bits": 4}),
    ("gptq", {"bits": 3}),
    ("quanto", {"weights": "int4"}),
    ("quanto", {"weights": "int8"}),
    ("hqq", {"nbits": 2}),
    (None, {"quant_method": "awq", "bits": 4}),
    (None, {}),
]


def test_each_quantization_config_is_a_cell_of_its_own(tmp_path: Path) -> None:
    cells: dict[str, int] = {}
    for at, (scheme, config) in enumerate(CONFIGS):
        whole = optimum("decode")
        backend = {"quantization_scheme": scheme, "quantization_config": config}
        whole["config"]["backend"] |= backend | {"model": "org/Some-8B"}
        report = read_report(put(tmp_path, f"{at}.json", whole))
        row = next(row for row in report.rows["attempts"] if row["measure"] == "decode")
        assert row["cell_id"] not in cells, (config, CONFIGS[cells[row["cell_id"]]])
        assert (row["quant"] == "F16") is (not config)
        cells[row["cell_id"]] = at


BLANK: list[Any] = [{" ": " ", "alias": "x"}, {}, None, {"acc,none": "N/A"}, {"acc,none": None}]


@pytest.mark.parametrize("blank", BLANK)
@pytest.mark.parametrize("sizes", [None, (100, 300)])
def test_parts_of_mmlu_count_where_its_own_row_is_blank(
    tmp_path: Path, blank: Any, sizes: tuple[int, int] | None
) -> None:
    whole = deepcopy(LM_EVAL)
    whole["results"] = {
        "mmlu": blank,
        "mmlu_anatomy": {"acc,none": 0.6, "acc_stderr,none": 0.03},
        "mmlu_virology": {"acc,none": 0.4, "acc_stderr,none": 0.04},
        "truthfulqa_mc1": {"acc,none": 0.5, "acc_stderr,none": 0.01},
    }
    if sizes:
        counts = {"mmlu_anatomy": sizes[0], "mmlu_virology": sizes[1]}
        whole["n-samples"] = {name: {"effective": n} for name, n in counts.items()}
    report = read_report(put(tmp_path, "r.json", whole))
    mmlu = 0.45 if sizes else 0.5
    assert value_of(report, "accuracy") == pytest.approx((mmlu + 0.5) / 2)


@pytest.mark.parametrize("group", ["mmlu", "mmlu_pro"])
def test_a_group_with_all_its_parts_is_the_group(tmp_path: Path, group: str) -> None:
    key = "acc,none" if group == "mmlu" else "exact_match,custom-extract"
    whole = deepcopy(LM_EVAL)
    whole["results"] = {f"{group}_{part}": {key: 0.5} for part in PARTS[group]}
    report = read_report(put(tmp_path, "r.json", whole))
    assert [row["label"] for row in report.rows["attempts"]] == [f"task recall ({group})"]


@pytest.mark.parametrize(
    "flavour",
    ["flan_cot_zeroshot", "flan_n_shot_generative", "continuation", "generative", "redux", "cot"],
)
def test_flavours_of_mmlu_are_named_and_left_out(tmp_path: Path, flavour: str) -> None:
    whole = deepcopy(LM_EVAL)
    whole["results"] |= {f"mmlu_{flavour}": {"acc,none": 0.1}, f"mmlu_{flavour}_law": {}}
    report = read_report(put(tmp_path, "r.json", whole))
    assert not any("recall" in row["label"] for row in report.rows["attempts"])
    (note,) = [note for note in report.skipped if "another flavour of mmlu" in note]
    assert f"'mmlu_{flavour}'" in note


LIGHTEVAL_TASKS = [
    "leaderboard|arc:challenge|25", "leaderboard|gsm8k|5", "lighteval|gsm8k|0|0", "helm|mmlu|5",
    "original|mmlu:anatomy|5", "extended|ifeval|0|0",
]  # fmt: skip


@pytest.mark.parametrize(
    "tasks", [*combinations(LIGHTEVAL_TASKS, 1), *combinations(LIGHTEVAL_TASKS, 2)]
)
@pytest.mark.parametrize("general", ["config_general", "versions"])
def test_lighteval_is_not_taken_for_lm_eval(
    tmp_path: Path, tasks: tuple[str, ...], general: str
) -> None:
    results = {task: {"acc": 0.55, "acc_stderr": 0.01, "qem": 0.5} for task in tasks}
    whole = {general: {"lighteval_sha": "?", "model_name": "o/Some-8B"}, "results": results}
    path = put(tmp_path, "results.json", whole | {"versions": {}})
    try:
        assert read_report(path).origin == "lighteval"
    except InputError as error:
        refusal = str(error)
        assert "lighteval" in refusal


@pytest.mark.parametrize("content", [LM_EVAL, OPTIMUM])
@pytest.mark.parametrize("around", [("", "\n"), ("INFO starting\n", "\ndone\n"), ("\n\n", "")])
def test_json_between_lines_of_a_log_is_the_same_report(
    tmp_path: Path, content: dict[str, Any], around: tuple[str, str]
) -> None:
    plain = read_report(put(tmp_path, "a.json", content))
    for indent in (None, 2):
        text = around[0] + json.dumps(content, indent=indent) + around[1]
        rows = read_report(put(tmp_path, "b.json", text)).rows["attempts"]
        assert [row["attempt_id"] for row in rows] == [
            row["attempt_id"] for row in plain.rows["attempts"]
        ]
