"""optimum-benchmark: rates, memory, load time, and energy per token with its scope."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from imports_files import OPTIMUM, put

from grid.results.imports import ImportedReport, read_report


def parts(report: ImportedReport) -> dict[str, tuple[dict[str, Any], dict[str, dict[str, Any]]]]:
    return {
        row["measure"]: (
            row,
            {m["name"]: m for m in report.rows["metrics"] if m["attempt_id"] == row["attempt_id"]},
        )
        for row in report.rows["attempts"]
    }


def test_prefill_and_decode_have_rates_and_repetitions(tmp_path: Path) -> None:
    got = parts(read_report(put(tmp_path, "benchmark.json", OPTIMUM)))
    (prefill, rates), (decode, decode_metrics) = got["prefill"], got["decode"]
    assert (prefill["label"], rates["prefill_tps"]["value"]) == ("pp256", 2560.0)
    assert (decode["label"], decode_metrics["decode_tps"]["value"]) == ("tg64 @ d256", 32.0)
    assert (rates["prefill_tps"]["n"], decode_metrics["decode_tps"]["n"]) == (3, 2)
    assert (prefill["model"], prefill["quant"]) == ("Llama-2-7B-AWQ", "awq-4bit")
    assert prefill["hardware_class"] == "NVIDIA A10G [optimum-benchmark]"


def test_energy_is_joule_a_token_with_what_it_counts(tmp_path: Path) -> None:
    got = parts(read_report(put(tmp_path, "benchmark.json", OPTIMUM)))
    (prefill, rates), (decode, decode_metrics) = got["prefill"], got["decode"]
    assert rates["prefill_j_per_token"]["value"] == pytest.approx(1e-5 * 3.6e6 / 256)
    assert prefill["environment"]["energy_scope"] == "cpu+gpu+ram"
    assert decode_metrics["decode_j_per_token"]["value"] == pytest.approx(1.6e-4 * 3.6e6 / 64)
    assert decode_metrics["decode_j_per_token"]["unit"] == "J/token"
    assert decode["environment"]["energy_scope"] == "gpu"


def test_energy_that_was_not_measured_is_no_figure(tmp_path: Path) -> None:
    changed = deepcopy(OPTIMUM)
    changed["report"]["decode"]["energy"] = {"unit": "kWh", "cpu": 0, "gpu": 0, "ram": 0}
    changed["report"]["prefill"]["energy"] = None
    got = parts(read_report(put(tmp_path, "benchmark.json", changed)))
    assert list(got["decode"][1]) == ["decode_tps"]
    assert "energy_scope" not in got["prefill"][0]["environment"]


def test_peak_memory_is_the_largest_of_all_phases_and_load_time_is_kept(tmp_path: Path) -> None:
    row, figures = parts(read_report(put(tmp_path, "benchmark.json", OPTIMUM)))["memory"]
    assert row["label"] == "memory c321"
    assert figures["peak_rss_bytes"]["value"] == 1e9
    assert figures["peak_vram_bytes"]["value"] == 6.2e9
    assert figures["load_s"]["value"] == 3.5


def test_a_report_alone_takes_its_configuration_from_beside_it(tmp_path: Path) -> None:
    put(tmp_path, "benchmark_config.json", OPTIMUM["config"])
    path = put(tmp_path, "benchmark_report.json", OPTIMUM["report"])
    whole = read_report(put(tmp_path, "benchmark.json", OPTIMUM))
    assert [r["attempt_id"] for r in read_report(path).rows["attempts"]] == [
        r["attempt_id"] for r in whole.rows["attempts"]
    ]


def test_a_report_without_configuration_says_what_is_missing(tmp_path: Path) -> None:
    report = read_report(put(tmp_path, "benchmark_report.json", OPTIMUM["report"]), model="m")
    assert [row["measure"] for row in report.rows["attempts"]] == ["memory"]
    assert any("does not say how many tokens" in line for line in report.skipped)
    assert any("no benchmark_config.json beside it" in line for line in report.skipped)


def test_batches_above_one_are_skipped_with_a_note(tmp_path: Path) -> None:
    changed = deepcopy(OPTIMUM)
    changed["config"]["scenario"]["input_shapes"]["batch_size"] = 8
    report = read_report(put(tmp_path, "benchmark.json", changed))
    assert [json.loads(row["workload"])["type"] for row in report.rows["attempts"]] == ["memory"]
    assert any("prefill of a batch of 8 is left out" in line for line in report.skipped)


def test_a_negative_energy_is_refused(tmp_path: Path) -> None:
    changed = deepcopy(OPTIMUM)
    changed["report"]["decode"]["energy"]["gpu"] = -1.0
    report = read_report(put(tmp_path, "benchmark.json", changed))
    assert [row["measure"] for row in report.rows["attempts"]] == ["prefill", "memory"]
    assert any("decode.energy: gpu is -1.0, not a number from 0 on" in r for r in report.refused)


@pytest.mark.parametrize(
    ("model", "scheme", "config", "quant"),
    [
        ("org/Some-8B-AQLM-PV-2Bit-1x16-hf", None, {}, "aqlm-2bit"),
        ("org/Some-8B", "torchao", {"quant_type": "int4_weight_only"}, "torchao-int4_weight_only"),
        ("org/Some-8B", "torchao", {"quant_type": "int8_weight_only"}, "torchao-int8_weight_only"),
        ("org/Some-8B-GPTQ", "gptq", {"bits": 4}, "gptq-4bit"),
        ("org/Some-8B", None, {}, "BF16"),
    ],
)
def test_quantization_is_read_from_scheme_type_or_name(
    tmp_path: Path, model: str, scheme: str | None, config: dict[str, Any], quant: str
) -> None:
    whole = deepcopy(OPTIMUM)
    whole["config"]["backend"] |= {
        "model": model, "quantization_scheme": scheme, "quantization_config": config,
        "torch_dtype": "bfloat16",
    }  # fmt: skip
    report = read_report(put(tmp_path, "benchmark.json", whole))
    assert {row["quant"] for row in report.rows["attempts"]} == {quant}


TWO = ["Card A", "Card B"]


@pytest.mark.parametrize(
    ("cards", "backend", "processes", "node"),
    [
        (["Card A"], {}, 1, "Card A"), (["Card A"] * 2, {}, 1, "Card A"),
        (["Card A"] * 2, {"device_map": "auto"}, 1, "Card A, Card A"),
        (TWO, {"device_ids": "1"}, 1, "Card B"), (TWO, {"device_map": "auto"}, 1, "Card A, Card B"),
        (TWO, {"device_map": "auto", "device_ids": "0"}, 1, "Card A"),
        (TWO, {"device": "cuda:1"}, 1, "Card B"), (TWO, {}, 2, "Card A, Card B"),
        (TWO, {}, 1, "unnamed cuda hardware"),
        (TWO, {"device_ids": "5"}, 1, "unnamed cuda hardware"),
        (TWO, {"name": "vllm", "device_ids": "0,1"}, 1, "Card A, Card B"),
    ],
)  # fmt: skip
def test_the_cards_are_those_that_the_run_used(
    tmp_path: Path, cards: list[str], backend: dict[str, str], processes: int, node: str
) -> None:
    changed = deepcopy(OPTIMUM)
    config = changed["config"]
    config["backend"] |= {"name": "pytorch", "device": "cuda", **backend}
    config["environment"] = {"gpu": cards, "cpu": "Some Chip"}
    config["launcher"] = {"nproc_per_node": processes}
    rows = read_report(put(tmp_path, "benchmark.json", changed)).rows["attempts"]
    assert {row["node"] for row in rows} == {node}


@pytest.mark.parametrize("field", ["peft_type", "peft_strategy"])
def test_an_adapter_makes_another_model(tmp_path: Path, field: str) -> None:
    changed = deepcopy(OPTIMUM)
    changed["config"]["backend"] |= {"model": "o/Toy-7B", field: "lora"}
    rows = read_report(put(tmp_path, "benchmark.json", changed)).rows["attempts"]
    assert {row["model"] for row in rows} == {"Toy-7B+lora"}
