"""llama-bench's four outputs become rows with what they say, and nothing that they do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from imports_files import BENCH_MD, bench, bench_csv, put

from grid.errors import InputError
from grid.models.names import printed_name
from grid.results.imports import ImportedReport, read_report
from grid.results.imports.gguf_names import quant_of


def only_row(report: ImportedReport, table: str = "attempts") -> dict[str, Any]:
    (row,) = report.rows[table]
    return row


def test_a_decode_row_has_rate_repetitions_and_options(tmp_path: Path) -> None:
    report = read_report(put(tmp_path, "b.json", [bench()]))
    row, metric, series = only_row(report), only_row(report, "metrics"), only_row(report, "samples")
    assert (row["measure"], row["label"], row["status"]) == ("decode", "tg128", "ok")
    assert json.loads(row["workload"]) == {
        "type": "decode", "tokens": 128, "depth": 0, "repetitions": 5,
    }  # fmt: skip
    assert (metric["name"], metric["value"], metric["unit"]) == ("decode_tps", 119.81, "token/s")
    assert (metric["sd"], metric["n"]) == (0.21, 5)
    assert metric["low"] < 128 / 1.070 < metric["high"]
    assert metric["method"].startswith("as imported from llama-bench")
    assert (series["name"], series["unit"]) == ("decode_s", "s")
    assert series["values"] == (1.068, 1.069, 1.070, 1.071, 1.072)
    assert json.loads(row["options"]) == {
        "batch": 2048, "flash_attention": False, "gpu_layers": 99, "kv_type_k": "f16",
        "kv_type_v": "q8_0", "threads": 8, "ubatch": 512,
    }  # fmt: skip


def test_model_quant_and_bits_per_weight_are_read_from_the_row(tmp_path: Path) -> None:
    row = only_row(read_report(put(tmp_path, "b.json", [bench()])))
    assert (row["model"], row["family"], row["quant"]) == ("Qwen2.5-7B-Instruct", "qwen2", "Q4_K_M")
    assert (row["artifact_bytes"], row["parameters"]) == (4677120000, 7615616512)
    assert row["bpw_file"] == pytest.approx(4.9132, abs=1e-4)
    assert row["engine_version"] == "b5163 8cf427ff"
    assert row["started_at"].isoformat() == "2025-04-24T11:58:50+00:00"


def test_rows_name_their_origin_in_every_place_that_could_join(tmp_path: Path) -> None:
    report = read_report(put(tmp_path, "b.json", [bench()]))
    row = only_row(report)
    assert (row["origin"], row["licence"]) == ("llama-bench", "not stated")
    assert row["hardware_class"] == "NVIDIA GeForce RTX 4080 [llama-bench]"
    assert row["device_kind"] == "cuda [llama-bench]"
    assert row["scope"] == row["hardware_class"]
    assert (report.origin, report.licence, report.count) == ("llama-bench", "not stated", 1)


def test_jsonl_and_json_give_the_same_attempts(tmp_path: Path) -> None:
    rows = [bench(), bench(n_prompt=512, n_gen=0, avg_ts=7285.7)]
    listed = read_report(put(tmp_path, "b.json", rows))
    lines = read_report(put(tmp_path, "b.jsonl", "\n".join(map(json.dumps, rows)) + "\n"))
    assert [r["attempt_id"] for r in listed.rows["attempts"]] == [
        r["attempt_id"] for r in lines.rows["attempts"]
    ]
    assert [r["label"] for r in lines.rows["attempts"]] == ["tg128", "pp512"]


def test_csv_has_the_same_figures_without_repetitions(tmp_path: Path) -> None:
    report = read_report(put(tmp_path, "b.csv", bench_csv(bench())))
    metric = only_row(report, "metrics")
    assert (metric["value"], metric["sd"], metric["low"], metric["n"]) == (119.81, 0.21, None, 1)
    assert report.rows["samples"] == []
    assert only_row(report)["model"] == "Qwen2.5-7B-Instruct"


def test_a_posted_markdown_table_is_read_and_sums_are_skipped_by_name(tmp_path: Path) -> None:
    report = read_report(
        put(tmp_path, "b.md", BENCH_MD), hardware="Apple M1 Max", model="Llama-3.1-8B"
    )
    prefill, decode = report.rows["attempts"]
    assert (prefill["label"], decode["label"]) == ("pp512", "tg128 @ d4096")
    assert json.loads(decode["workload"])["depth"] == 4096
    assert (prefill["model"], prefill["quant"]) == ("Llama-3.1-8B", "Q4_K_M")
    assert prefill["hardware_class"] == "Apple M1 Max [llama-bench]"
    assert prefill["device_kind"] == "metal [llama-bench]"
    assert prefill["engine_version"] == "4a4f7e6 (4211)"
    assert prefill["artifact_bytes"] == round(4.58 * 2**30)
    assert json.loads(prefill["options"]) == {"gpu_layers": 99, "kv_type_k": "q8_0"}
    assert [m["value"] for m in report.rows["metrics"]] == [684.51, 55.10]
    (skipped,) = report.skipped
    assert "'pp512+tg128'" in skipped


def test_old_tables_with_a_space_in_the_test_are_read(tmp_path: Path) -> None:
    old = BENCH_MD.replace("pp512 |", "pp 512 |").replace(
        "llama 8B Q4_K - Medium", "llama 7B mostly Q4_0"
    )
    report = read_report(put(tmp_path, "b.md", old))
    assert report.rows["attempts"][0]["label"] == "pp512"
    assert report.rows["attempts"][0]["quant"] == "Q4_0"
    assert report.rows["attempts"][0]["node"] == "unnamed metal hardware"


def test_old_builds_say_their_backend_with_a_field_each(tmp_path: Path) -> None:
    old = bench(backends=None, n_depth=None, flash_attn=None, samples_ns=None, cuda=True)
    row = only_row(read_report(put(tmp_path, "b.json", [old])))
    assert row["device_kind"] == "cuda [llama-bench]"
    assert json.loads(row["workload"])["depth"] == 0


def test_without_layers_on_the_card_the_processor_is_the_hardware(tmp_path: Path) -> None:
    row = only_row(read_report(put(tmp_path, "b.json", [bench(n_gpu_layers=0)])))
    assert row["hardware_class"] == "AMD Ryzen 7 7800X3D 8-Core Processor [llama-bench]"
    assert row["device_kind"] == "cpu [llama-bench]"


def test_a_row_of_prompt_and_generation_together_is_skipped_with_a_note(tmp_path: Path) -> None:
    report = read_report(put(tmp_path, "b.json", [bench(), bench(n_prompt=512)]))
    assert report.count == 1
    assert report.skipped == (
        "b.json: entry 2: pp512+tg128 is left out: prompt and generation in one figure",
    )


def test_an_unknown_quant_keeps_its_name_with_a_note(tmp_path: Path) -> None:
    report = read_report(put(tmp_path, "b.json", [bench(model_type="qwen2 7B strange thing")]))
    assert only_row(report)["quant"] == "strange thing"
    assert "is not known; it is kept as printed" in report.skipped[0]


@pytest.mark.parametrize(
    ("printed", "quant"),
    [
        ("Q4_K - Medium", "Q4_K_M"),
        ("Q3_K - Large", "Q3_K_L"),
        ("Q5_K - Small", "Q5_K_S"),
        ("Q2_K - Medium", "Q2_K"),
        ("Q2_K - Small", "Q2_K_S"),
        ("Q6_K", "Q6_K"),
        ("Q8_0", "Q8_0"),
        ("F16", "F16"),
        ("BF16", "BF16"),
        ("all F32", "F32"),
        ("mostly Q4_0", "Q4_0"),
        ("IQ2_XXS - 2.0625 bpw", "IQ2_XXS"),
        ("IQ3_S mix - 3.66 bpw", "IQ3_M"),
        ("IQ4_NL - 4.5 bpw", "IQ4_NL"),
        ("TQ1_0 - 1.69 bpw ternary", "TQ1_0"),
        ("MXFP4 MoE", "MXFP4_MOE"),
        ("Q4_K - Medium (guessed)", "Q4_K_M"),
        ("unknown, may not work", None),
    ],
)
def test_printed_file_types_become_quant_names(printed: str, quant: str | None) -> None:
    assert quant_of(printed) == quant


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("models/Llama-3.1-8B-Q4_K_M.gguf", "Llama-3.1-8B"),
        ("C:\\m\\qwen2.5-0.5b-instruct-fp16.gguf", "qwen2.5-0.5b-instruct"),
        ("m/Big-UD-Q2_K-00001-of-00003.gguf", "Big"),
        ("models/mistral-7b/ggml-model-q4_0.gguf", "mistral-7b"),
        ("ggml-model-q4_0.gguf", None),
    ],
)
def test_a_model_is_named_by_its_file(file: str, name: str | None) -> None:
    assert printed_name(file) == name


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"avg_ts": -3.0}, "avg_ts is -3.0, not a number from 0 on"),
        ({"avg_ts": float("nan")}, "avg_ts is nan"),
        ({"avg_ts": None}, r"no rate \(avg_ts\)"),
        ({"avg_ts": "fast"}, "avg_ts is 'fast'"),
        ({"n_gen": 1.5}, "n_gen is 1.5, not a count"),
        ({"model_size": 10**40}, "model_size is 1000000000000000000"),
        ({"samples_ns": [0]}, "a repetition without a duration"),
        ({"stddev_ts": True}, "stddev_ts is True"),
        ({"model_type": None}, "entry 1 is no row of llama-bench|no report that is known"),
    ],
)
def test_impossible_llama_bench_figures_are_refused_with_file_and_place(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    path = put(tmp_path, "b.json", [bench(**change)])
    with pytest.raises(InputError, match=words) as refused:
        read_report(path)
    assert str(refused.value).startswith(str(path))
    assert "\n" not in str(refused.value)


def test_csv_json_and_a_table_of_one_run_are_one_variant(tmp_path: Path) -> None:
    row = bench(flash_attn=True, use_mmap=True, embeddings=False, no_kv_offload=False, main_gpu=0)
    rows = [
        only_row(read_report(put(tmp_path, "b.json", [row]))),
        only_row(read_report(put(tmp_path, "b.csv", bench_csv(row)))),
    ]
    assert len({row["cell_id"] for row in rows}) == 1
    options = json.loads(rows[1]["options"])
    assert (options["threads"], options["flash_attention"], options["embeddings"]) == (
        8,
        True,
        False,
    )
    assert (options["main_gpu"], options["kv_type_v"]) == (0, "q8_0")
