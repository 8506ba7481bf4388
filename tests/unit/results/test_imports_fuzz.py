"""Mutated reports: no reader crashes or hangs, and each figure stands under its own header."""

from __future__ import annotations

import pytest
from fuzz_imports import MAPPED, SHAPES, faults, fuzz

from grid.results.imports import FORMATS, read_report


@pytest.mark.parametrize("reader", SHAPES)
def test_figures_of_mutated_reports_stand_in_the_source(reader: str) -> None:
    counts = fuzz(reader, 60, seed=7)
    assert counts["read"] > 10
    assert (counts["wrong"], counts["crashed"], counts["slow"]) == (0, 0, 0)
    assert reader in FORMATS or reader == MAPPED


def test_all_readers_are_fuzzed() -> None:
    assert SHAPES.keys() == {*FORMATS, MAPPED}


def test_the_fuzz_sees_a_figure_under_another_header(tmp_path: object) -> None:
    from pathlib import Path

    path = Path(str(tmp_path)) / "t.md"
    text = (
        "| model | size | params | backend | test | t/s |\n|---|---|---|---|---|---|\n"
        "| llama 7B Q4_0 | 3 GiB | 7 B | CPU | pp512 | 30.00 ± 0.10 |\n"
    )
    path.write_text(text, encoding="utf-8")
    report = read_report(path)
    assert faults(report, text) == []
    assert faults(report, text.replace("30.00", "31.00")) != []
    assert faults(report, text.replace("pp512", "tg512")) != []
