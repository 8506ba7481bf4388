"""`grid frontier --json` says what ranks the variants, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from advice_cases import OWN_CLASS, add_ladder, answers, facts, family, write_store
from analysis_cases import SIZES, Rows
from typer.testing import CliRunner

from grid.cli import command_line


def printed(store: Path) -> dict[str, Any]:
    result = CliRunner().invoke(command_line, ["frontier", "--store", str(store), "--json"])
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.stdout)[OWN_CLASS]
    return answer


def stored(rows: Rows, folder: Path) -> dict[str, Any]:
    write_store(rows, folder)
    return printed(folder)


def test_a_ladder_without_tasks_is_ranked_by_divergence(tmp_path: Path) -> None:
    rows = Rows()
    add_ladder(rows)
    data = stored(rows, tmp_path / "ladder")
    (quality,) = data["quality"]
    assert (quality["axis"], quality["model"], quality["variants"]) == ("kld_mean", "base", 4)
    assert quality["why"].startswith("No tasks were run on base")
    assert quality["method"].startswith("KLD: ")
    size, _ = data["frontiers"]
    assert (size["x"], size["y"], size["model"]) == ("artifact_bytes", "kld_mean", "base")
    points = {point["quant"]: point for point in size["points"]}
    assert all(point["on"] and point["probability"] > 0.97 for point in points.values())
    assert points["F16"]["y"] == 0.0
    assert points["Q2_K"]["y"] == pytest.approx(0.4)
    best, *_ = data["picks"]
    assert (best["axis"], best["model"], best["pick"]["quant"]) == ("kld_mean", "base", "Q8_0")


def test_two_models_have_frontiers_of_their_own(tmp_path: Path) -> None:
    rows = Rows()
    for model in ("one", "two"):
        add_ladder(rows, model=model)
    data = stored(rows, tmp_path / "two")
    assert [quality["model"] for quality in data["quality"]] == ["one", "two"]
    for curve in data["frontiers"]:
        assert {point["model"] for point in curve["points"]} == {curve["model"]}


def test_few_items_leave_the_ladder_to_divergence(tmp_path: Path) -> None:
    rows = Rows()
    add_ladder(rows)
    for quant in SIZES:
        rows.tasks("math", answers(5, 20), **facts(quant))
    data = stored(rows, tmp_path / "few")
    assert [quality["axis"] for quality in data["quality"]] == ["capability", "kld_mean"]
    best, *_ = data["picks"]
    assert (best["axis"], best["pick"]["quant"]) == ("capability", "Q8_0")
    assert best["smallest_tied"] == "base Q2_K"


def test_tasks_alone_rank_all_models(tmp_path: Path) -> None:
    data = stored(family(), tmp_path / "family")
    (quality,) = data["quality"]
    assert quality["axis"] == "capability"
    assert "model" not in quality
    assert [curve["y"] for curve in data["frontiers"]] == ["capability", "capability"]
