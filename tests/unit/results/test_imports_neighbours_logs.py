"""Neighbours of logs of llama-perplexity that were read wrong: runs, signs, prefixes, titles."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from imports_files import KLD_LOG, put

from grid.errors import InputError
from grid.results.imports import ImportedReport, read_report

LOADED = (
    "llama_model_loader: loaded meta data with 30 key-value pairs and 147 tensors from "
    "models/{file}.gguf (version GGUF V3 (latest))\n"
)


def read(folder: Path, text: str) -> ImportedReport:
    return read_report(put(folder, "p.log", text))


def pairs(report: ImportedReport) -> list[tuple[str, str, float]]:
    """(model, quant, first figure) of each attempt."""
    first: dict[str, float] = {}
    for metric in report.rows["metrics"]:
        first.setdefault(metric["attempt_id"], metric["value"])
    return [
        (row["model"], row["quant"], first[row["attempt_id"]]) for row in report.rows["attempts"]
    ]


def run(quant: str, value: float, *, build: bool = True, file: bool = True) -> str:
    text = "build: 4338 (7b1ec53f) with Apple clang version 16\n" if build else ""
    text += LOADED.format(file=f"Alpha-1B-{quant}") if file else ""
    text += f"print_info: file type   = {quant}\n" if file else ""
    return text + f"[1]4.1,[2]5.0,\nFinal estimate: PPL = {value} +/- 0.1\n"


@pytest.mark.parametrize("quants", [["Q8_0", "Q4_0"], ["Q4_0", "Q8_0", "F16"], ["F16"] * 3])
@pytest.mark.parametrize("build", [True, False])
def test_each_run_has_its_own_figures(tmp_path: Path, quants: list[str], build: bool) -> None:
    text = "".join(run(quant, 13.0 + at, build=build) for at, quant in enumerate(quants))
    assert pairs(read(tmp_path, text)) == [
        ("Alpha-1B", quant, 13.0 + at) for at, quant in enumerate(quants)
    ]


def test_a_run_without_facts_takes_none_of_the_run_before(tmp_path: Path) -> None:
    text = run("Q8_0", 13.0) + run("Q4_0", 14.0, build=False, file=False)
    assert pairs(read(tmp_path, text)) == [
        ("Alpha-1B", "Q8_0", 13.0),
        ("unnamed (p.log, run 2)", "unknown", 14.0),
    ]


def test_a_run_that_ended_early_gives_its_facts_to_no_other(tmp_path: Path) -> None:
    failed = LOADED.format(file="Alpha-1B-F16") + "ggml: out of memory\n"
    report = read(tmp_path, failed + run("Q4_0", 14.0, build=False))
    assert pairs(report) == [("Alpha-1B", "Q4_0", 14.0)]
    assert any("Alpha-1B-F16.gguf has no final figure" in note for note in report.skipped)


def test_weights_that_are_loaded_twice_are_one_run(tmp_path: Path) -> None:
    text = LOADED.format(file="Alpha-1B-Q4_0") + run("Q4_0", 14.0, build=False)
    assert pairs(read(tmp_path, text)) == [("Alpha-1B", "Q4_0", 14.0)]


def test_perplexity_and_divergence_of_two_models_stay_apart(tmp_path: Path) -> None:
    text = run("BF16", 6.2) + KLD_LOG + run("Q8_0", 6.3)
    assert pairs(read(tmp_path, text)) == [
        ("Alpha-1B", "BF16", 6.2),
        ("Meta-Llama-3-8B", "Q4_K_M", 6.407115),
        ("Alpha-1B", "Q8_0", 6.3),
    ]


@pytest.mark.parametrize(
    ("line", "label", "value"),
    [
        ("Final estimate: PPL over 250 chunks for n_ctx=512 = 4.7000 +/- 0.046", "250x512", 4.7),
        ("Final estimate: PPL over 16 chunks for n_ctx=4096 = 14.7 +/- 0.046", "16x4096", 14.7),
        ("Final estimate: PPL over 1 chunks for n_ctx=64 = 4.7", "1x64", 4.7),
        ("Final estimate: PPL = 4.7000 ± 0.046", "?x?", 4.7),
        ("Final estimate: PPL = 4.7000 _ 0.046", "?x?", 4.7),
        ("Final estimate: PPL = 4.7000 +/- nan", "?x?", 4.7),
        ("final estimate: PPL = 4.7", "?x?", 4.7),
        ("7.27.369.574 I Final estimate: PPL = 8.3448 +/- 0.35643", "?x?", 8.3448),
        ("a.log:Final estimate: PPL = 8.3448 +/- 0.35643", "?x?", 8.3448),
        ("2025-01-01T00:00:00Z Final estimate: PPL = 1.5e+01 +/- 0.3", "?x?", 15.0),
    ],
)
def test_final_lines_of_all_builds_are_read(
    tmp_path: Path, line: str, label: str, value: float
) -> None:
    head = "perplexity: 1.20 seconds per pass\nFinal estimate: PPL is next\n"
    report = read(tmp_path, head + line + "\n")
    assert [row["label"] for row in report.rows["attempts"]] == [f"quality {label}"]
    assert pairs(report)[0][2] == value


GLYPHS = [
    ("±", "Δ"), ("_", "_"), ("Â±", "Î”"), ("┬▒", "╬ö"), ("�", "�"), ("��", "��"), ("?", "?"),
    ("+/-", "d"), ("+-", "delta "), ("±", ""), ("&plusmn;", "&Delta;"),
]  # fmt: skip
PREFIXES = ["", "0.05.123.456 I ", "> ", "2025-11-01T10:00:00.1Z ", "[12:34:56] INFO "]


@pytest.mark.parametrize(("glyphs", "prefix"), [*product(GLYPHS, PREFIXES)])
def test_divergence_is_read_with_any_signs_and_prefixes(
    tmp_path: Path, glyphs: tuple[str, str], prefix: str
) -> None:
    text = KLD_LOG.replace("±", glyphs[0]).replace("Δ", glyphs[1])
    report = read(tmp_path, "\n".join(prefix + line for line in text.splitlines()))
    want = read_report(put(tmp_path, "plain.log", KLD_LOG)).rows["metrics"]
    got = {(m["name"], m["value"], m["sd"]) for m in report.rows["metrics"]}
    assert got == {(m["name"], m["value"], m["sd"]) for m in want}


@pytest.mark.parametrize(
    ("title", "value", "is_kept"),
    [
        ("Mean    KLD", "-0.000019 ± 0.000001", True),
        ("Mean    KLD", "-0.009 ± 0.000001", True),
        ("Mean    KLD", "-0.5 ± 0.000001", False),
        ("Median  KLD", "-0.000018", True),
        ("Median  KLD", "-0.3", False),
        ("Minimum KLD", "-0.004300", True),
        ("Minimum KLD", "-3.0", False),
        ("Maximum KLD", "-0.000001", True),
        ("Same top p", "100.000 ± 0.000 %", True),
        ("Same top p", "104.000 ± 0.078 %", False),
        ("Mean ln(PPL(Q)/PPL(base))", "-0.000018 ± -nan", True),
        ("Mean PPL(Q)", "0.8 ± 0.1", False),
    ],
)
def test_tiny_negative_divergence_is_kept_and_impossible_figures_are_not(
    tmp_path: Path, title: str, value: str, is_kept: bool
) -> None:
    text = run("Q4_0", 14.0) + LOADED.format(file="Beta-1B-Q8_0") + f"{title}: {value}\n"
    text += "====== KL divergence statistics ======\n99.9%   KLD:   1.624800\n"
    report = read(tmp_path, text)
    assert [model for model, *_ in pairs(report)] == ["Alpha-1B", "Beta-1B"][: 1 + is_kept]
    assert len(report.refused) == (0 if is_kept else 1)


@pytest.mark.parametrize(
    "line",
    [
        "Mean    KLD2:   0.042532 ± 0.000364", "97.5%   KLD:   0.324855",
        "Harmonic PPL: 4.2", "Mean top p: 4.2 %", "Trimmed KLD: 0.1",
    ],
)  # fmt: skip
def test_titles_that_are_not_known_are_named(tmp_path: Path, line: str) -> None:
    report = read(tmp_path, run("Q4_0", 14.0) + line + "\n")
    assert [value for *_, value in pairs(report)] == [14.0]
    title = " ".join(line.partition(":")[0].split())
    assert any(title in note for note in report.skipped)


@pytest.mark.parametrize("number", ["14.2x", "14.2.1", "14,2", "1_4", "14.2e", "0x14"])
def test_the_beginning_of_a_longer_number_is_no_figure(tmp_path: Path, number: str) -> None:
    text = run("Q8_0", 13.0) + run("Q4_0", 14.0).replace("14.0", number)
    assert pairs(read(tmp_path, text)) == [("Alpha-1B", "Q8_0", 13.0)]


@pytest.mark.parametrize("cut", [b"\xe7\x9a", b"\xef\xbd", b"\xf0\x9f\x92", b"\xb1", b"\xff"])
def test_bytes_that_are_no_utf_8_do_not_lose_a_log(tmp_path: Path, cut: bytes) -> None:
    path = tmp_path / "p.log"
    text = run("Q4_0", 14.0).encode()
    path.write_bytes(b"print_info: EOG token = 1 '<" + cut + b"'\n" + text + cut)
    assert pairs(read_report(path)) == [("Alpha-1B", "Q4_0", 14.0)]


def test_the_quant_of_a_log_without_it_is_that_of_the_file(tmp_path: Path) -> None:
    text = LOADED.format(file="Alpha-1B-IQ4_NL") + "Final estimate: PPL = 14.0 +/- 0.1\n"
    assert pairs(read(tmp_path, text)) == [("Alpha-1B", "IQ4_NL", 14.0)]


def test_unnamed_models_of_two_files_are_never_one_cell(tmp_path: Path) -> None:
    text = "Final estimate: PPL = {} +/- 0.1\n"
    rows = [
        read_report(put(tmp_path, f"{at}.log", text.format(4 + at))).rows["attempts"][0]
        for at in range(2)
    ]
    assert len({row["cell_id"] for row in rows}) == 2


def test_a_log_without_a_final_figure_is_refused(tmp_path: Path) -> None:
    text = KLD_LOG.partition("Mean PPL(Q)")[0]
    with pytest.raises(InputError, match="ends before a final figure"):
        read(tmp_path, text)
