"""Tables of anybody by a map of their columns: units, tokens, names, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from fake_sweep import Run
from imports_files import put

from grid.errors import InputError
from grid.results import open_store
from grid.results.imports import ImportedReport, read_report
from grid.results.imports.mapped.head_units import head_unit
from grid.results.imports.mapped.map_files import load_map, map_titles, requested_map, save_map

GIB = 2**30


def markdown(*rows: str) -> str:
    rule = "|" + "---|" * (rows[0].count("|") - 1)
    return "\n".join(["# results", "", rows[0], rule, *rows[1:], "", "the end"])


def read(folder: Path, text: str, written: str, model: str | None = "Toy-7B") -> ImportedReport:
    return read_report(put(folder, "t.md", text), model=model, columns=requested_map([written]))


def figures(report: ImportedReport) -> dict[str, float]:
    return {row["name"]: row["value"] for row in report.rows.get("metrics", ())}


Q = "Quant=quant,"
QUALITY = [
    ("KLD", "0.02", "KLD=kld_mean", {"kld_mean": 0.02}),
    ("KLD (mean)", "**0.02**", "KLD (mean)=kld_mean", {"kld_mean": 0.02}),
    ("KLD (nats)", "`0.02`", "KLD (nats)=kld_mean", {"kld_mean": 0.02}),
    ("KLD bits", "1", "KLD bits=kld_mean", {"kld_mean": math.log(2)}),
    ("KLD", "1", "KLD=kld_mean:bit", {"kld_mean": math.log(2)}),
    ("KLD 99%", "0.5", "KLD 99%=kld_p99:nat", {"kld_p99": 0.5}),
    ("PPL", "6.2 ± 0.03", "PPL=perplexity", {"perplexity": 6.2}),
    ("PPL (wiki, raw)", "6,2", "PPL (wiki, raw)=perplexity", {"perplexity": 6.2}),
    ("Same top (%)", "96.3", "Same top (%)=same_top1", {"same_top1": 0.963}),
    ("Same top", "96.3 %", "Same top=same_top1", {"same_top1": 0.963}),
    ("Same top", "96.3", "Same top=same_top1:%", {"same_top1": 0.963}),
    ("Same top", "0.963", "Same top=same_top1:1", {"same_top1": 0.963}),
    ("tg128", "41.5", "tg128=decode_tps", {"decode_tps": 41.5}),
    ("tg128 t/s", "1,041.50", "tg128 t/s=decode_tps", {"decode_tps": 1041.5}),
    ("pp512 @ d4096", "900 ± 5", "pp512 @ d4096=prefill_tps", {"prefill_tps": 900}),
    ("tok/s", "41.5 t/s", "tok/s=decode_tps@128", {"decode_tps": 41.5}),
    ("TTFT ms", "50", "TTFT ms=ttft_s@512+128", {"ttft_s": 0.05}),
    ("ttft_ms", "50", "ttft_ms=ttft_s@512+128", {"ttft_s": 0.05}),
    ("TTFT", "50 ms", "TTFT=ttft_s@512+128", {"ttft_s": 0.05}),
    ("Load", "2.5", "Load=load_s:s", {"load_s": 2.5}),
    ("VRAM [GiB]", "5", "VRAM [GiB]=peak_vram_bytes@4096", {"peak_vram_bytes": 5 * GIB}),
    ("J", "3", "J=decode_j_per_token:J/token@128", {"decode_j_per_token": 3}),
    ("MMLU", "65", "MMLU=accuracy:%@mmlu", {"accuracy": 0.65, "chance": 0.25}),
    ("mmlu", "0.65", "mmlu=accuracy:1", {"accuracy": 0.65, "chance": 0.25}),
]  # fmt: skip


@pytest.mark.parametrize(("head", "cell", "written", "expected"), QUALITY)
def test_figures_are_read_in_their_unit(
    tmp_path: Path, head: str, cell: str, written: str, expected: dict[str, float]
) -> None:
    table = markdown(f"| Quant | {head} |", f"| Q4_K_M | {cell} |")
    assert figures(read(tmp_path, table, Q + written)) == pytest.approx(expected)
    delimited = f"Quant;{head}\nQ4_K_M;{cell}\n"
    assert figures(read(tmp_path, delimited, Q + written)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("KLD=kldmean", "Did you mean 'kld_mean'"),
        ("KLD=kld_mean:GB", "no unit of kld_mean"),
        ("KLD (x1000)=kld_mean", "no unit of kld_mean"),
        ("KLD (1e-3)=kld_mean", "no unit of kld_mean"),
        ("samples/s=decode_tps@128", "no unit of decode_tps"),
        ("ms/token=decode_tps@128", "no unit of decode_tps"),
        ("Size (Gb)=artifact_bytes,K=kld_mean", "no unit of artifact_bytes"),
        ("speed=decode_tps", "needs tokens"),
        ("TTFT ms=ttft_s", "needs prompt and generated"),
        ("VRAM (GB)=peak_vram_bytes", "needs context"),
        ("pp512=decode_tps", "its test is not tg alone"),
        ("pp512+tg128=decode_tps", "its test is not tg alone"),
        ("TTFT ms=ttft_s@512", "write @512+128"),
        ("KLD=kld_mean@512", "takes no @"),
        ("KLD=kld_mean,KL=kld_mean", "map one"),
        ("Model=model", "no column is a metric"),
        ("KLD", "no map 'KLD'"),
        ("KLD=kld_mean,=x", "is no COLUMN=NAME"),
        ("D=drift", "no metric or fact"),
    ],
)
def test_wrong_maps_are_refused_before_a_file_is_read(written: str, why: str) -> None:
    with pytest.raises(InputError, match="--map") as error:
        requested_map([written])
    assert why in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("head", "cell", "written", "why"),
    [
        ("Same top", "96.3", "Same top=same_top1", "no unit is said of 'Same top'; possible: 1, %"),
        ("RMS dp", "0.9", "RMS dp=dp_rms", "no unit is said"),
        ("TTFT", "50", "TTFT=ttft_s@512+128", "possible: s, ms"),
        ("Load", "2.5", "Load=load_s", "no unit is said"),
        ("TTFT", "50 GB", "TTFT=ttft_s@512+128", "not in a unit of ttft_s"),
        ("TTFT ms", "50 s", "TTFT ms=ttft_s@512+128", "but the column is in 'ms'"),
        ("KLD", "3,000", "KLD=kld_mean", "not a number"),
        ("KLD", "about 0.1", "KLD=kld_mean", "not a number"),
        ("KLD", "nan", "KLD=kld_mean", "not a number"),
        ("KLD", "-0.5", "KLD=kld_mean", "kld_mean is -0.5"),
        ("PPL", "0.9", "PPL=perplexity", "perplexity is 0.9"),
        ("Same", "96.3", "Same=same_top1:1", "same_top1 is 96.3"),
        ("tg128", "-4", "tg128=decode_tps", "decode_tps is -4"),
        ("Acc", "65", "Acc=accuracy:%@poetry", "no known task"),
    ],
)
def test_rows_that_cannot_be_true_or_read_are_said_and_the_others_are_read(
    tmp_path: Path, head: str, cell: str, written: str, why: str
) -> None:
    table = markdown(f"| Quant | {head} | PPL2 |", f"| Q4_K_M | {cell} | 6.1 |", "| Q8_0 | - | 6 |")
    mapped = Q + written + (",PPL2=perplexity" if "perplexity" not in written else "")
    if mapped.endswith("=perplexity") and "PPL2" not in mapped:
        with pytest.raises(InputError, match=why):
            read(tmp_path, table, mapped)
        return
    report = read(tmp_path, table, mapped)
    assert any(why in line and "line 5" in line for line in report.refused), report.refused
    assert "Q8_0" in {row["quant"] for row in report.rows["attempts"]}
    assert set(figures(report)) == {"perplexity"}


@pytest.mark.parametrize(
    ("written", "cells", "bytes_", "bpw"),
    [
        ("Size (GB)=artifact_bytes", "3.99 | 8B", 3.99e9, 3.99),
        ("Size (GB)=artifact_bytes:GiB", "3.99 | 8B", 3.99 * GIB, 3.99 * GIB / 1e9),
        ("Size (GB)=artifact_bytes", "4 GB | 8 B", 4e9, 4.0),
    ],
)
def test_sizes_are_facts_of_the_weights(
    tmp_path: Path, written: str, cells: str, bytes_: float, bpw: float
) -> None:
    table = markdown("| Quant | Size (GB) | Params | KLD |", f"| Q4_0 | {cells} | 0.1 |")
    report = read(tmp_path, table, f"{Q}{written},Params=parameters,KLD=kld_mean")
    (row,) = report.rows["attempts"]
    assert row["artifact_bytes"] == pytest.approx(bytes_)
    assert row["parameters"] == 8_000_000_000
    assert row["bpw_file"] == pytest.approx(bpw)


@pytest.mark.parametrize(
    ("cells", "why"),
    [("3990 | 8B", "bits per weight; is a unit wrong?"), ("0.001 | 8B", "is a unit wrong?"),
     ("0 | 8B", "which is no artifact_bytes"), ("4 | 8", "no unit is said of 'Params'"),
     ("4 | 8 GB", "not in a unit of parameters"), ("4 MB | 8B", "but the column is in 'GB'")],
)  # fmt: skip
def test_sizes_that_cannot_be_true_are_refused(tmp_path: Path, cells: str, why: str) -> None:
    table = markdown("| Quant | Size (GB) | Params | KLD |", f"| Q4_0 | {cells} | 0.1 |")
    with pytest.raises(InputError, match="line 5") as error:
        read(tmp_path, table, f"{Q}Size (GB)=artifact_bytes,Params=parameters,KLD=kld_mean")
    assert why in str(error.value)


def test_facts_of_a_row_make_its_cell(tmp_path: Path) -> None:
    table = markdown(
        "| Model | GPU | Engine | n | depth | flash | t/s |",
        "| Toy-7B-Q4_K_M.gguf | RTX 3090 | llama.cpp | 128 | 0 | on | 100 |",
        "| Toy-7B-Q4_K_M.gguf | RTX 3090 | llama.cpp | 128 | 4096 | on | 90 |",
        "| Toy-7B-Q4_K_M.gguf | RTX 3090 | llama.cpp | 128 | 0 | off | 80 |",
    )
    written = (
        "Model=model,GPU=hardware,Engine=backend,n=tokens,depth=depth,flash=option,t/s=decode_tps"
    )
    report = read(tmp_path, table, written, model=None)
    rows = report.rows["attempts"]
    assert [row["label"] for row in rows] == ["tg128", "tg128 @ d4096", "tg128"]
    assert len({row["cell_id"] for row in rows}) == 3
    assert {row["quant"] for row in rows} == {"Q4_K_M"}
    assert {row["backend"] for row in rows} == {"llama.cpp"}
    assert all("RTX 3090" in row["hardware_class"] for row in rows)
    assert {row["origin"] for row in rows} == {"table t.md"}


def test_tables_and_columns_that_are_not_there_are_said(tmp_path: Path) -> None:
    table = markdown("| Quant | KLD | note |", "| Q4_0 | 0.1 | x |", "| Q8_0 | 0.01 |")
    two = table + "\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    report = read(tmp_path, two, "quant=quant,kld=kld_mean")
    assert any("columns that are not in the map: note" in line for line in report.skipped)
    assert any("tables without the columns of the map: 1" in line for line in report.skipped)
    assert any("has 2 cells, not 3" in line for line in report.refused)
    with pytest.raises(InputError, match="no column 'KDL' in its table"):
        read(tmp_path, table, "Quant=quant,KDL=kld_mean")
    with pytest.raises(InputError, match="no table in it"):
        read(tmp_path, "nothing measured", "Quant=quant,KLD=kld_mean")
    with pytest.raises(InputError, match="'KLD' twice"):
        read(tmp_path, markdown("| Quant | KLD | KLD |", "| Q4_0 | 1 | 2 |"), Q + "KLD=kld_mean")
    with pytest.raises(InputError, match="line 5: no quant"):
        read(tmp_path, markdown("| Model | KLD |", "| Toy | 1 |"), "Model=model,KLD=kld_mean")


@pytest.mark.parametrize(
    ("column", "ours", "unit"),
    [("Plan B", "nat", None), ("Plan B", "B", "B"), ("size_gib", "B", "gib"), ("t/s", "s", "t/s"),
     ("s", "s", "s"), ("s", "nat", None), ("KLD (mean)", "nat", None), ("acc %", "1", "%"),
     ("acc%", "1", "%"), ("Size, GiB", "B", "GiB"), ("KLD (milli)", "nat", "milli")],
)  # fmt: skip
def test_units_in_heads(column: str, ours: str, unit: str | None) -> None:
    assert head_unit(column, ours) == unit


def test_a_map_is_remembered(grid: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUANTGRID_MAPS", str(tmp_path / "maps"))
    put(tmp_path, "a.md", markdown("| Q | KLD | Size (GB) |", "| Q4_0 | 0.1 | 4 |"))
    put(tmp_path, "b.csv", "Q,KLD,Size (GB)\nQ8_0,0.01,8\n")
    written = "Q=quant,KLD=kld_mean,Size (GB)=artifact_bytes:GiB"
    arguments = ("import", "a.md", "--map", written, "--save-map", "mine", "--store", "store")
    assert grid(*arguments, "--dry-run").returncode == 0
    assert not (tmp_path / "maps").exists()
    done = grid(*arguments)
    assert "saved the map as" in done.stderr
    assert grid("import", "b.csv", "--map", "mine", "--store", "store").returncode == 0
    sizes = open_store(tmp_path / "store").attempts()["artifact_bytes"].to_pylist()
    assert sorted(sizes) == [4 * GIB, 8 * GIB]
    assert "mine" in grid("import", "--list").stdout
    wrong = grid("import", "b.csv", "--map", "mien", "--store", "store")
    assert (wrong.returncode, "Did you mean 'mine'" in wrong.stderr) == (2, True)


def test_damaged_maps_and_names_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUANTGRID_MAPS", str(tmp_path))
    for text, why in (
        ("[columns", "not TOML"), ("colums = 1", "Did you mean 'columns'"),
        ("[columns]\nKLD = 1", "lines of text"), ("origin = 'x'", "lines of text"),
        ("[columns]\nKLD = 'kldmean'", "Did you mean 'kld_mean'"),
    ):  # fmt: skip
        put(tmp_path, "bad.toml", text)
        with pytest.raises(InputError, match=r"bad\.toml") as error:
            load_map("bad")
        assert why in str(error.value)
        assert "bad" in map_titles()
    for name in ("../x", "", "a b", "x" * 80):
        with pytest.raises(InputError, match="is no name"):
            save_map(name, requested_map(["KLD=kld_mean"]))


MAGIC = markdown(
    "| Name | Provider | Quant Family | KLD | Size (GB) |",
    "| LM-Q8_0 | llama.cpp | Q8_0 | 0.0013 | 4 |",
    '| [<u>MQ-Q5_K_1</u>](#notes "Replaced: MQ-Q5_K") | MagicQuant | Q5_K | 0.0066 | 3 |',
)


def test_magicquant_sizes_are_gib_and_links_are_names(tmp_path: Path) -> None:
    report = read(tmp_path, MAGIC, "magicquant")
    rows = report.rows["attempts"]
    assert [(row["quant"], row["quantizer"], row["artifact_bytes"]) for row in rows] == [
        ("LM-Q8_0", "llama.cpp", 4 * GIB), ("MQ-Q5_K_1", "MagicQuant", 3 * GIB),
    ]  # fmt: skip
    assert {row["origin"] for row in rows} == {"MagicQuant"}
    assert {row["format"] for row in rows} == {"gguf"}


def test_gguf_tool_suite_marks_of_absence_are_no_figures(tmp_path: Path) -> None:
    text = "QTYPE,bpw,group0\niq1_bn,404,12.3\nbf16,16.0034,404\nq4_K,4.505838,0.034\n"
    report = read(tmp_path, text, "gguf-tool-suite-bpw-kld")
    rows = report.rows["attempts"]
    assert [(row["quant"], row["bpw_file"]) for row in rows] == [
        ("iq1_bn", None), ("q4_K", 4.505838),
    ]  # fmt: skip
    assert [row["value"] for row in report.rows["metrics"]] == [12.3, 0.034]
    assert any("line 3 has no figure" in line for line in report.skipped)
    plain = read(tmp_path, "QTYPE,group0\nbf16,0\nq8_0,0.001441\n", "gguf-tool-suite-kld")
    assert [row["value"] for row in plain.rows["metrics"]] == [0, 0.001441]


def test_a_map_refuses_files_whose_columns_mean_something_else(tmp_path: Path) -> None:
    text = "QTYPE,group0\niq3_k,3.743140\nq8_0,404\n"
    files = {name: put(tmp_path, f"{name}_results.csv", text) for name in ("ppl", "kld")}
    maps = {name: requested_map([f"gguf-tool-suite-{name}"]) for name in files}
    (row,) = read_report(files["ppl"], columns=maps["ppl"]).rows["metrics"]
    assert (row["name"], row["value"]) == ("perplexity", 3.74314)
    for file, columns in (("ppl", "kld"), ("kld", "ppl")):
        with pytest.raises(InputError, match="mean something else than the map"):
            read_report(files[file], columns=maps[columns])


SPEEDS = "Quant,tg128,pp512\nQ4_0,40,900\n"
TURNED = "Quant,pp512,tg128\nQ8_0,800,30\n"


@pytest.mark.parametrize(
    ("text", "rates"),
    [
        (SPEEDS + TURNED, [40, 30]), (SPEEDS + "\n" + TURNED, [40, 30]),
        (TURNED + SPEEDS, [30, 40]), (SPEEDS + "# more\n" + TURNED, [40, 30]),
        (SPEEDS + TURNED.replace(",", ";"), [40, 30]), (SPEEDS + SPEEDS, [40]),
        (SPEEDS + TURNED.upper(), [40, 30]), (SPEEDS + TURNED.replace("pp512", "other"), [40, 30]),
        (SPEEDS + TURNED.replace("tg128", "other"), [40]),
        (SPEEDS + "note,tg128,pp512\nQ8_0,30,800\n", [40]),
        (SPEEDS + "tg128,Quant\n30,Q8_0\n" + SPEEDS.replace("40", "41"), [40, 30, 41]),
    ],
)  # fmt: skip
def test_a_csv_table_ends_where_another_head_begins(
    tmp_path: Path, text: str, rates: list[float]
) -> None:
    report = read(tmp_path, text, Q + "tg128=decode_tps")
    assert [row["value"] for row in report.rows["metrics"]] == rates
