"""Facts of a run: where a row of llama-bench ran, its build, an attempt that failed, cut lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from imports_files import bench, bench_csv, put

from grid.errors import InputError
from grid.results.imports import ImportedReport, read_report

TWO = "Card A, Card B"
HEAD = "| model | size | params | backend |{} test | t/s |\n|---|---|---|---|{}---|---|\n"
ROW = "| llama 7B Q4_0 | 3.56 GiB | 6.74 B | CUDA |{} tg128 | {} ± 0.10 |\n"


def table(rate: float, **columns: Any) -> str:
    names = "".join(f" {name} |" for name in columns)
    head = HEAD.format(names, "---|" * len(columns))
    return head + ROW.format("".join(f" {value} |" for value in columns.values()), rate)


def attempts(folder: Path, text: str, name: str = "b.md") -> list[dict[str, Any]]:
    return list(read_report(put(folder, name, text)).rows["attempts"])


@pytest.mark.parametrize(
    ("fields", "device", "node"),
    [
        ({}, "cuda", TWO), ({"devices": "auto"}, "cuda", TWO),
        ({"devices": "none"}, "cpu", "Chip"), ({"n_gpu_layers": 0}, "cpu", "Chip"),
        ({"devices": "CUDA1"}, "cuda", "Card B"), ({"devices": "CUDA0/CUDA1"}, "cuda", TWO),
        ({"devices": "CUDA2"}, "cuda", "unnamed cuda hardware"),
        ({"devices": "RPC[10.0.0.1:50052]"}, "unknown", "unnamed unknown hardware"),
        ({"split_mode": "none"}, "cuda", "Card A"),
        ({"split_mode": "none", "main_gpu": 1}, "cuda", "Card B"),
        ({"split_mode": "layer", "main_gpu": 1}, "cuda", TWO),
        ({"tensor_split": "0.00/1.00"}, "cuda", "Card B"), ({"tensor_split": "0.00"}, "cuda", TWO),
        ({"backends": "CUDA,Vulkan", "devices": "Vulkan0"}, "vulkan", "unnamed vulkan hardware"),
    ],
)  # fmt: skip
def test_a_row_ran_on_the_cards_that_its_options_leave(
    tmp_path: Path, fields: dict[str, Any], device: str, node: str
) -> None:
    row = bench(cpu_info="Chip", gpu_info=TWO, **fields)
    (attempt,) = attempts(tmp_path, json.dumps([row]), "b.json")
    assert (attempt["device_kind"], attempt["node"]) == (f"{device} [llama-bench]", node)


@pytest.mark.parametrize(
    ("columns", "device", "node"),
    [
        ({"ngl": 99}, "cuda", TWO), ({"ngl": 0}, "cpu", "unnamed cpu hardware"),
        ({"ngl": 99, "dev": "none"}, "cpu", "unnamed cpu hardware"),
        ({"ngl": 99, "dev": "CUDA1"}, "cuda", "Card B"),
        ({"sm": "none", "mg": 1}, "cuda", "Card B"), ({"ts": "1.00/0.00"}, "cuda", "Card A"),
        ({"ngl": 0, "GPU": "Card X", "CPU": "Chip Y"}, "cpu", "Chip Y"),
        ({"ngl": 9, "CPU": "Chip Y"}, "cuda", TWO),
    ],
)  # fmt: skip
def test_a_row_of_a_table_ran_where_its_columns_say(
    tmp_path: Path, columns: dict[str, Any], device: str, node: str
) -> None:
    cards = "".join(
        f"  Device {at}: {name}, compute capability 9.0, VMM: yes\n"
        for at, name in enumerate(TWO.split(", "))
    )
    (attempt,) = attempts(tmp_path, cards + table(10.0, **columns))
    assert (attempt["device_kind"], attempt["node"]) == (f"{device} [llama-bench]", node)


BUILDS = [f"abc{at} ({at + 1000})" for at in range(3)]
A, B, C = (f"\nbuild: {build}\n\n" for build in BUILDS)


@pytest.mark.parametrize(
    ("text", "builds"),
    [
        ("{0}" + A + "{1}" + B, BUILDS[:2]),  # llama-bench's own order
        (A + "{0}" + B + "{1}", BUILDS[:2]), (A + "{0}", BUILDS[:1]),  # a note's
        (A + "{0}" + B + "{1}" + C, BUILDS[1:]), (A + "{0}" + B, BUILDS[1:2]),
        (A + "{0}{1}", ["", ""]), (A + "{0}" + B + C + "{1}", ["", ""]),
        ("{0}" + A + "{1}", [BUILDS[0], ""]), ("{0}{1}" + A, ["", BUILDS[0]]),
        ("build: 4242 (a1b2c3d) with cc for x86_64\n{0}", [""]), ("{0}", [""]),
    ],
)  # fmt: skip
def test_a_build_is_of_the_table_that_it_can_only_be_of(
    tmp_path: Path, text: str, builds: list[str]
) -> None:
    report = read_report(put(tmp_path, "b.md", text.format(table(10.0), table(11.0))))
    assert [row["engine_version"] for row in report.rows["attempts"]] == builds
    is_left_out = any("build" in line for line in report.skipped)
    assert is_left_out == (text.startswith("\n") and builds != BUILDS[: len(builds)])


HEADLESS = "\n".join(table(10.0).splitlines()[2:])


@pytest.mark.parametrize(
    "text",
    [
        HEADLESS + "\n" + A + "{0}", HEADLESS + "\n" + A + "{0}" + HEADLESS,
        "> " + HEADLESS + "\n" + A + "{0}", A + "{0}\n| build: abc9 (1009)\n",
        A + "{0}\nbuild:\ufffdabc9 (1009)\n", A + "{0}\nsome build: abc9\n",
        HEADLESS + A + "{0}{1}", A + "{0}{1}\n| build: abc9 (1009)",
        "INFO " + HEADLESS + "\n" + A + "{0}",
    ],
)  # fmt: skip
def test_a_build_after_what_is_read_in_part_is_of_no_table(tmp_path: Path, text: str) -> None:
    report = read_report(put(tmp_path, "b.md", text.format(table(10.0), table(11.0))))
    assert {row["engine_version"] for row in report.rows["attempts"]} == {""}
    assert any("build" in line for line in report.skipped)


@pytest.mark.parametrize(
    "columns", [("fa", "fa"), ("FA", "fa"), ("fa", "flash_attn"), ("**fa**", "fa")]
)
def test_a_table_with_a_column_twice_is_refused(tmp_path: Path, columns: tuple[str, str]) -> None:
    head = HEAD.format("".join(f" {name} |" for name in columns), "---|---|")
    with pytest.raises(InputError, match=r"line 1: the table has the column .* twice"):
        read_report(put(tmp_path, "b.md", head + ROW.format(" 0 | 1 |", 10.0)))


def test_a_header_or_an_object_with_a_field_twice_is_refused(tmp_path: Path) -> None:
    text = bench_csv(bench()).replace("n_ubatch", "n_batch")
    with pytest.raises(InputError, match=r"line 1: the header has the column 'n_batch' twice"):
        read_report(put(tmp_path, "b.csv", text))
    whole = json.dumps(bench())
    twice = whole[:-1] + ', "avg_ts": 1.0}'
    with pytest.raises(InputError, match=r"the field 'avg_ts' stands twice"):
        read_report(put(tmp_path, "b.json", f"[{twice}]"))
    report = read_report(put(tmp_path, "b.jsonl", f"{whole}\n{twice}\n"))
    assert report.count == 1
    assert "line 2: not whole JSON (the field 'avg_ts' stands twice" in report.refused[0]
    same = whole[:-1] + f', "avg_ts": {bench()["avg_ts"]}}}'
    assert read_report(put(tmp_path, "s.json", f"[{same}]")).count == 1


@pytest.mark.parametrize("cut", [1, 5, 40, 200])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_cut_line_is_said_and_the_others_are_read(tmp_path: Path, cut: int, at: int) -> None:
    lines = [json.dumps(bench(n_gen=tokens)) for tokens in (32, 64, 128)]
    lines[at] = lines[at][:-cut]
    report = read_report(put(tmp_path, "b.jsonl", "\n".join(lines) + "\n"))
    assert report.count == 2
    assert len(report.refused) == 1
    assert f"line {at + 1}: not whole JSON" in report.refused[0]


LOADED = (
    "llama_model_loader: loaded meta data with 30 key-value pairs and 147 tensors from "
    "m/{}.gguf (version GGUF V3 (latest))\nprint_info: file type   = {}\n"
)
COUNTED = "perplexity: calculating perplexity over {} chunks, n_ctx={}, batch_size=2048\n"
FINAL = "Final estimate: PPL = 7.5 +/- 0.1\n"
FIRST = LOADED.format("Toy-7B-Q4_0", "Q4_0") + COUNTED.format(100, 512)
FAILED = "llama_model_load: error loading model: unable to allocate CUDA0 buffer\n"


@pytest.mark.parametrize(
    ("second", "model", "label"),
    [
        (LOADED.format("Toy-7B-Q4_0", "Q4_0") + COUNTED.format(50, 2048), "Toy-7B", "50x2048"),
        (LOADED.format("New-1B-Q8_0", "Q8_0") + COUNTED.format(50, 2048), "New-1B", "50x2048"),
        (LOADED.format("New-1B-Q8_0", "Q8_0"), "New-1B", "?x?"),
        (COUNTED.format(50, 2048), "unnamed", "50x2048"), (FAILED, "unnamed", "?x?"),
        ("main: error: unable to load model\n", "unnamed", "?x?"),
        ("Segmentation fault (core dumped)\n", "unnamed", "?x?"),
        (FAILED + COUNTED.format(9, 512), "unnamed", "9x512"),
        ("print_info: file type   = Q8_0\n", "unnamed", "?x?"), ("", "Toy-7B", "100x512"),
    ],
)  # fmt: skip
def test_an_attempt_that_failed_says_nothing_of_the_next(
    tmp_path: Path, second: str, model: str, label: str
) -> None:
    (row,) = attempts(tmp_path, FIRST + second + FINAL, "p.log")
    assert row["model"].split(" ")[0] == model
    assert row["label"] == f"quality {label}"


@pytest.mark.parametrize(
    ("printed", "value"),
    [("1,234.5678 +/- 12.5", 1234.5678), ("12,345,678.5 +/- 1,000.25", 12345678.5)],
)
def test_thousands_are_read(tmp_path: Path, printed: str, value: float) -> None:
    report = read_report(put(tmp_path, "p.log", FIRST + FINAL.replace("7.5 +/- 0.1", printed)))
    assert [row["value"] for row in report.rows["metrics"]] == [value]


@pytest.mark.parametrize("printed", ["1,234", "14,2"])
def test_a_final_line_that_may_be_read_in_two_ways_is_said(tmp_path: Path, printed: str) -> None:
    later = LOADED.format("New-1B-Q8_0", "Q8_0") + FINAL
    text = FIRST + FINAL.replace("7.5 +/- 0.1", printed) + later
    report: ImportedReport = read_report(put(tmp_path, "p.log", text))
    assert [row["model"] for row in report.rows["attempts"]] == ["New-1B"]


def test_an_error_of_one_reader_keeps_what_others_read(tmp_path: Path) -> None:
    text = table(10.0) + "\n" + FIRST + FINAL.replace("7.5", "nan")
    report = read_report(put(tmp_path, "n.md", text))
    assert [row["label"] for row in report.rows["attempts"]] == ["tg128"]
    assert any("perplexity is 'nan'" in line for line in report.refused)


@pytest.mark.parametrize(
    ("seconds", "is_true"), [(2.0, True), (2.01, True), (2.5, False), (0, False)]
)
def test_seconds_and_rate_of_a_row_must_agree(
    tmp_path: Path, seconds: float, is_true: bool
) -> None:
    head = "| PP | TG | N_KV | T_PP s | S_PP t/s | T_TG s | S_TG t/s |\n|--|--|--|--|--|--|--|\n"
    row = f"| 256 | 64 | 0 | 0.500 | 512.00 | {seconds:.3f} | 32.00 |\n"
    path = put(tmp_path, "s.md", head + row)
    report = read_report(path, model="Toy-7B")
    assert report.count == 1 + is_true
    assert len(report.refused) == 1 - is_true
