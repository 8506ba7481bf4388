"""Neighbours of reports of llama-bench that were read wrong: columns, signs, tables, logs, JSON."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from imports_files import bench, bench_csv, put

from grid.errors import InputError
from grid.results.imports import ImportedReport, read_report

HEAD = "| model | size | params | backend | ngl | test | t/s |"
RULE = "| --- | ---: | ---: | --- | --: | ---: | ---: |"
FACTS = "| llama 8B Q4_K - Medium | 4.58 GiB | 8.03 B | CUDA | 99 |"


def table(*rates: str, test: str = "tg128", head: str = HEAD, rule: str = RULE) -> str:
    rows = [f"{FACTS} {test} | {rate} |" for rate in rates]
    return "\n".join([head, rule, *rows]) + "\n"


def read(folder: Path, text: str, name: str = "note.md") -> ImportedReport:
    return read_report(put(folder, name, text))


def rates(report: ImportedReport) -> list[tuple[float, float | None]]:
    return [(metric["value"], metric["sd"]) for metric in report.rows["metrics"]]


@pytest.mark.parametrize(
    "field",
    [
        {"n_cpu_moe": 12}, {"tensor_buft_overrides": "exps=CPU"}, {"devices": "CUDA0/CUDA1"},
        {"split_mode": "row"}, {"tensor_split": "3.00/1.00"}, {"use_mmap": False},
        {"no_op_offload": 1}, {"no_host": True}, {"poll": 0}, {"cpu_mask": "0xff"},
        {"cpu_strict": True}, {"main_gpu": 1}, {"no_kv_offload": True}, {"use_direct_io": 1},
        {"embeddings": True}, {"what_comes_next": 7}, {"mla_attn": 3}, {"ser": "4,1"},
        {"a_list": [1, 2]}, {"f16_kv": False}, {"n_batch": 512},
    ],
)  # fmt: skip
def test_any_field_that_is_no_figure_is_part_of_the_cell(
    tmp_path: Path, field: dict[str, Any]
) -> None:
    usual, changed = bench(use_mmap=True, split_mode="layer", main_gpu=0), bench(**field)
    rows = read_report(put(tmp_path, "b.json", [usual, {**usual, **field}])).rows["attempts"]
    assert len({row["cell_id"] for row in rows}) == 2
    plain = {name: value for name, value in changed.items() if not isinstance(value, list)}
    listed = [name for name, value in field.items() if isinstance(value, list)]
    if not listed:
        csv_row = read(tmp_path, bench_csv({**usual, **plain, **field}), "b.csv").rows["attempts"]
        assert csv_row[0]["cell_id"] == rows[1]["cell_id"]


@pytest.mark.parametrize("name", ["avg_ns", "stddev_ts", "samples_ts", "p95_ts", "median_ts"])
def test_figures_are_no_part_of_the_cell(tmp_path: Path, name: str) -> None:
    rows = [bench(), bench(test_time="2025-05-01T00:00:00Z") | {name: 1.5}]
    cells = read_report(put(tmp_path, "b.json", rows)).rows["attempts"]
    assert len({row["cell_id"] for row in cells}) == 1


@pytest.mark.parametrize(
    "column",
    ["n_cpu_moe", "ot", "dev", "sm", "ts", "mmap", "nopo", "noh", "nkvo", "mg", "fa", "dio", "new"],
)
def test_any_column_that_is_no_figure_is_part_of_the_cell(tmp_path: Path, column: str) -> None:
    head, rule = HEAD.replace("| test", f"| {column} | test"), RULE + " --- |"
    rows = [f"{FACTS} {value} | tg128 | {rate} |" for value, rate in ((2, "9.1"), (3, "8.2"))]
    text = "\n".join([head, rule, *rows])
    attempts = read(tmp_path, text).rows["attempts"]
    assert len({row["cell_id"] for row in attempts}) == 2


def test_columns_in_another_order_give_the_same_cells(tmp_path: Path) -> None:
    text = table("12.00 ± 0.10")
    lines = [line.strip("|").split("|") for line in text.splitlines()]
    turned = "\n".join("|" + "|".join(reversed(cells)) + "|" for cells in lines)
    first, second = (read(tmp_path, content).rows["attempts"] for content in (text, turned))
    assert first[0]["cell_id"] == second[0]["cell_id"]


SIGNS = ["±", "+/-", "+-", "Â±", "┬▒", "�", "��", "_", "?", "??", "&plusmn;", "\\pm", "卤"]


@pytest.mark.parametrize(
    ("sign", "blank"), [*product(SIGNS, [" "]), ("±", ""), ("±", "  "), ("┬▒", "")]
)
def test_a_spread_is_read_after_any_rendering_of_its_sign(
    tmp_path: Path, sign: str, blank: str
) -> None:
    report = read(tmp_path, table(f"61.09{blank}{sign}{blank}0.50"))
    assert rates(report) == [(61.09, 0.5)]


@pytest.mark.parametrize(
    ("cell", "figure"),
    [
        ("3,000.00 ± 5.00", (3000.0, 5.0)),
        ("1,234,567.5", (1234567.5, None)),
        ("**3000.00 ± 5.00**", (3000.0, 5.0)),
        ("`3000.00`", (3000.0, None)),
        ("__12.5__", (12.5, None)),
        ("<b>12.5 ± 1</b>", (12.5, 1.0)),
        ("12.5 ± nan", (12.5, None)),
        ("12.5 ± -nan", (12.5, None)),
        ("684,51 ± 2,34", (684.51, 2.34)),
        ("1.234,56", (1234.56, None)),
        ("1 234.56 ± 3", (1234.56, 3.0)),
        ("1\u202f234.56", (1234.56, None)),
        ("1'234.56", (1234.56, None)),
    ],
)
def test_numbers_are_read_as_people_write_them(
    tmp_path: Path, cell: str, figure: tuple[float, float | None]
) -> None:
    assert rates(read(tmp_path, table(cell))) == [figure]


@pytest.mark.parametrize(
    "cell",
    [
        "3,000",
        "nan ± nan",
        "-5.0",
        "0.00",
        "12 → 15",
        "12-15",
        "12 (+3%)",
        "~~12~~",
        "fast",
        "",
        "∞",
    ],
)
def test_what_may_be_read_in_two_ways_is_refused_and_the_others_are_read(
    tmp_path: Path, cell: str
) -> None:
    report = read(tmp_path, table(cell, "61.09 ± 0.50"))
    assert rates(report) == [(61.09, 0.5)]
    (line,) = report.refused
    assert "line 3: t/s is" in line


@pytest.mark.parametrize(
    "prefix",
    [
        "> ", ">> ", "0.05.123.456 I ", "2025-11-01T10:00:00.1234567Z ", "[12:34:56] ",
        "2025-11-01 10:00:00,123 INFO ", "INFO: ", "[2025-11-01 10:00:00] ", "bench-1  | ", "    ",
    ],
)  # fmt: skip
def test_prefixes_of_loggers_before_a_table_are_passed_over(tmp_path: Path, prefix: str) -> None:
    text = table("61.09 ± 0.50") + "\nbuild: 08a216474 (6457)\n"
    report = read(tmp_path, "\n".join(prefix + line for line in text.splitlines()))
    assert rates(report) == [(61.09, 0.5)]
    assert report.rows["attempts"][0]["engine_version"] == "08a216474 (6457)"


FOREIGN = [
    "| GPU | VRAM |\n|---|---|\n| RTX 3090 | 24 |",
    "| a | b | c | d | e | f | g |\n|---|---|---|---|---|---|---|\n| 1 | 2 | 3 | 4 | 5 | pp8 | 7 |",
    "| Model | Test | t/s master | t/s PR |\n|:--|:--|--:|--:|\n| x | pp512 | 1 | 2 |",
    "| model | test | t/s | peak t/s |\n|--|--|--|--|\n| x | tg32 | 9 | 9 |",
    "| model | test | t/s |\n|--|--|--|\n| some server | tg32 | 9 |",
]


@pytest.mark.parametrize(("foreign", "before"), [*product(FOREIGN, [False, True])])
def test_a_table_of_something_else_gives_no_figure(
    tmp_path: Path, foreign: str, before: bool
) -> None:
    ours = table("61.09 ± 0.50")
    text = f"{foreign}\n\n{ours}" if before else f"{ours}\n\n{foreign}\n"
    report = read(tmp_path, text)
    assert rates(report) == [(61.09, 0.5)]
    assert any("is left out" in note for note in report.skipped)


@pytest.mark.parametrize("text", FOREIGN[2:])
def test_tables_of_other_tools_are_no_report_of_llama_bench(tmp_path: Path, text: str) -> None:
    try:
        assert read(tmp_path, text).origin != "llama-bench"
    except InputError as error:
        refusal = str(error)
        assert refusal.startswith(str(tmp_path))


@pytest.mark.parametrize("count", range(2, 12))
def test_each_table_has_the_build_and_card_of_its_own_run(tmp_path: Path, count: int) -> None:
    """The second run has no card and the last no build: neither takes that of another."""
    runs = []
    for run in range(count):
        card = f"  Device 0: Card {run}, compute capability 9.0, VMM: yes\n" if run != 1 else ""
        build = f"\nbuild: abc{run} ({run})\n" if run != count - 1 else ""
        runs.append(card + table(f"{10 + run}.00 ± 0.10") + build)
    rows = read(tmp_path, "\n".join(runs)).rows["attempts"]
    builds = [f"abc{run} ({run})" for run in range(count - 1)]
    assert [row["engine_version"] for row in rows] == [*builds, ""]
    cards = [f"Card {run}" if run != 1 else "unnamed cuda hardware" for run in range(count)]
    assert [row["node"] for row in rows] == cards


LOG = (
    "ggml_vulkan: Found 1 Vulkan devices:\nggml_vulkan: 0 = AMD RX 580 (radv) | uma: 0 | fp16: 0\n"
)


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        *product(
            ["", LOG, "[info] starting\n", "{not json\n"],
            ["", "\nbye [1]4.1,[2]\n"],
            ["1", "2", "l"],
        )
    ],
)
def test_reports_between_lines_of_a_log_are_read(
    tmp_path: Path, before: str, after: str, kind: str
) -> None:
    rows = [bench(), bench(n_gen=64, avg_ts=60.0)]
    lines = "\n".join(map(json.dumps, rows))
    text = lines if kind == "l" else json.dumps(rows, indent=2 if kind == "2" else None)
    report = read(tmp_path, f"{before}{text}{after}", "b.log")
    assert [value for value, _ in rates(report)] == [119.81, 60.0]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_of_spreadsheets_between_lines_of_a_log_is_read(tmp_path: Path, delimiter: str) -> None:
    text = bench_csv(bench(), bench(n_gen=64, avg_ts=60.0)).replace(",", delimiter)
    for content in (text, LOG + text, LOG + text + "done\n", text.replace('"', "")):
        assert [value for value, _ in rates(read(tmp_path, content, "b.csv"))] == [119.81, 60.0]


@pytest.mark.parametrize("scale", [64, 1 / 64, 1.02, 0.98, 2, 1000])
def test_a_mean_outside_its_repetitions_is_refused(tmp_path: Path, scale: float) -> None:
    wrong = bench(avg_ts=100.0)
    wrong["avg_ts"] *= scale
    report = read_report(put(tmp_path, "b.json", [bench(), wrong]))
    assert [value for value, _ in rates(report)] == [119.81]
    assert "entry 2: decode_tps is" in report.refused[0]
    assert "its repetitions are" in report.refused[0]


@pytest.mark.parametrize(
    ("hardware", "rate", "allowed"),
    [
        ("NVIDIA GeForce RTX 3090", 190.0, True),
        ("NVIDIA GeForce RTX 3090", 900.0, False),
        ("NVIDIA GeForce RTX 3090, NVIDIA GeForce RTX 3090", 380.0, True),
        ("Apple M1", 300.0, False),
        ("a box that nobody knows", 9000.0, True),
    ],
)
def test_a_rate_above_the_bandwidth_of_the_memory_is_refused(
    tmp_path: Path, hardware: str, rate: float, allowed: bool
) -> None:
    path = put(tmp_path, "b.md", table(f"{rate} ± 0.10", "10.00 ± 0.10"))
    report = read_report(path, hardware=hardware)
    assert (rate in [value for value, _ in rates(report)]) is allowed
    assert len(report.refused) == (0 if allowed else 1)
