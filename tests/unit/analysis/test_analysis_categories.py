"""Texts by category: one of them ranks a model's variants, the others are shown beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from advice_cases import OWN_CLASS, add_ladder, write_store
from analysis_cases import SIZES, Rows
from typer.testing import CliRunner

from grid.analysis import Variant, variants
from grid.cli import command_line

KLD = {"F16": 0.0, "Q8_0": 0.01, "Q4_K_M": 0.05, "Q2_K": 0.4}


def measured(*texts: tuple[str, str, float], quants: tuple[str, ...] = tuple(SIZES)) -> Rows:
    """Rows of a model's quants over texts (category, hash, factor of the divergence), in order."""
    rows = Rows()
    for quant in quants:
        for category, text, factor in texts:
            rows.quality(factor * KLD[quant], text, category=category, quant=quant)
    return rows


def by_quant(rows: Rows) -> dict[str, Variant]:
    return {variant.quant: variant for variant in variants(rows.tables())}


def klds(variant: Variant) -> dict[str, float]:
    return {name: figure.value for name, figure in variant.kld_by_text.items()}


def ranking(variant: Variant) -> float:
    assert variant.kld_mean is not None
    return variant.kld_mean.value


def test_the_first_category_ranks_and_all_are_shown() -> None:
    group = by_quant(measured(("prose", "p", 1), ("code", "c", 2), ("chat", "h", 3)))
    assert len(group) == len(SIZES)
    for quant, variant in group.items():
        assert ranking(variant) == KLD[quant]
        assert variant.scored_text is not None
        assert variant.scored_text.text == "p"
        expected = {"prose": KLD[quant], "code": 2 * KLD[quant], "chat": 3 * KLD[quant]}
        assert klds(variant) == pytest.approx(expected)


def test_a_text_without_category_ranks_before_those_that_have_one() -> None:
    group = by_quant(measured(("chat", "h", 3), ("", "plain", 1)))
    assert ranking(group["Q2_K"]) == KLD["Q2_K"]
    assert klds(group["Q2_K"]) == {"chat": pytest.approx(3 * KLD["Q2_K"])}


def test_the_category_of_most_artifacts_ranks() -> None:
    rows = measured(("prose", "p", 1), quants=("F16", "Q8_0"))
    for quant in SIZES:
        rows.quality(2 * KLD[quant], "c", category="code", quant=quant)
    group = by_quant(rows)
    assert {q: ranking(v) for q, v in group.items()} == {q: 2 * k for q, k in KLD.items()}
    assert klds(group["Q2_K"]) == {"code": 2 * KLD["Q2_K"]}
    assert set(klds(group["Q8_0"])) == {"code", "prose"}


def test_a_category_measured_on_another_text_is_never_mixed() -> None:
    rows = measured(("prose", "p", 1), ("chat", "old", 9))
    for quant in ("F16", "Q8_0"):
        rows.quality(3 * KLD[quant], "new", category="chat", quant=quant)
    group = by_quant(rows)
    assert all(klds(v)["chat"] == pytest.approx(9 * KLD[q]) for q, v in group.items())


def test_of_two_texts_of_the_first_category_the_newer_ranks() -> None:
    rows = measured(("prose", "old", 1), ("chat", "h", 3))
    for quant in SIZES:
        rows.quality(2 * KLD[quant], "new", category="prose", quant=quant)
    group = by_quant(rows)
    assert ranking(group["Q2_K"]) == 2 * KLD["Q2_K"]
    assert klds(group["Q2_K"])["prose"] == 2 * KLD["Q2_K"]


def test_a_noise_floor_is_no_figure_of_a_category() -> None:
    rows = measured(("prose", "p", 1), ("code", "c", 1))
    for category, text in (("prose", "p"), ("code", "c")):
        options = '{"threads": 2, "batch": 1}'
        rows.quality(1e-4, text, category=category, reference="base-F16", options=options)
    group = by_quant(rows)
    assert klds(group["F16"]) == {"prose": 0.0, "code": 0.0}
    assert group["Q8_0"].noise_floor_nat == 1e-4


def test_the_frontier_shows_the_divergence_on_each_text(tmp_path: Path) -> None:
    rows = measured(("prose", "p", 1), ("chat", "h", 3), quants=("F16", "Q8_0"))
    rows.quality(0.4, "p", category="prose", quant="Q2_K")
    write_store(rows, tmp_path)
    result = CliRunner().invoke(command_line, ["frontier", "--store", str(tmp_path)])
    _, _, shown = result.stdout.partition("base: KLD by text; prose ranks\n")
    heading, *lines = [line.split() for line in shown.splitlines()[:4]]
    assert heading == ["model", "prose", "chat"]
    assert lines == [
        ["base", "Q2_K", "0.4", "-"],
        ["base", "Q8_0", "0.01", "0.03"],
        ["base", "F16", "0", "0"],
    ]


def test_the_json_of_frontiers_has_the_categories_and_else_no_such_key(tmp_path: Path) -> None:
    plain, named = Rows(), Rows()
    for rows in (plain, named):
        add_ladder(rows)
    for quant in SIZES:
        named.quality(2 * KLD[quant], "c", category="code", quant=quant, hardware_class=OWN_CLASS)
    answers = {}
    for name, rows in (("plain", plain), ("named", named)):
        write_store(rows, tmp_path / name)
        result = CliRunner().invoke(
            command_line, ["frontier", "--store", str(tmp_path / name), "--json"]
        )
        assert result.exit_code == 0, result.output
        answers[name] = json.loads(result.stdout)[OWN_CLASS]
    assert "kld_by_text" not in json.dumps(answers["plain"])
    points = {point["quant"]: point for point in answers["named"]["frontiers"][0]["points"]}
    assert points["Q2_K"]["kld_by_text"]["code"]["value"] == pytest.approx(0.8)
    assert points["Q2_K"]["y"] == pytest.approx(0.4)
    for point in points.values():
        del point["kld_by_text"]
    assert [*points.values()] == answers["plain"]["frontiers"][0]["points"]
