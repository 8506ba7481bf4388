"""Several tasks of a class count alike, and only those that all models were asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from analysis_cases import Rows

from grid.analysis import Tables, Variant, draw_posterior, variants
from grid.analysis.duels import paired_differences
from grid.analysis.posterior import class_draws
from grid.analysis.retained import retained_quality

RIGHT, WRONG = [1.0], [0.0]


def ask(
    rows: Rows, task: str, scores: list[float], sha: str = "", limit: int = 0, **fields: Any
) -> None:
    workload = {
        "type": "tasks",
        "task_class": "reasoning",
        "task": task,
        "items_sha256": sha or f"sha-{task}",
        "limit": limit or len(scores),
    }
    rows.attempt("tasks", workload, scores=scores, **fields)


def by_quant(tables: Tables) -> dict[str, Variant]:
    return {variant.quant: variant for variant in variants(tables)}


def gain(share: float) -> float:
    return (share - 0.25) / 0.75


def test_a_class_is_the_mean_of_its_tasks_whatever_their_sizes() -> None:
    rows = Rows()
    ask(rows, "arc_easy", 90 * RIGHT + 10 * WRONG)
    ask(rows, "arc_challenge", 5 * RIGHT + 5 * WRONG)
    (variant,) = variants(rows.tables())
    assert variant.classes["reasoning"].value == pytest.approx((gain(0.9) + gain(0.5)) / 2)
    assert variant.capability is not None
    assert variant.capability.value == variant.classes["reasoning"].value
    assert set(variant.tasks["reasoning"]) == {"arc_easy", "arc_challenge"}
    assert variant.tasks["reasoning"]["arc_easy"].capability.value == pytest.approx(gain(0.9))
    draws = class_draws([variant], "reasoning", 2000, 1)
    assert draws.mean() == pytest.approx(variant.classes["reasoning"].value, abs=0.02)


def test_tasks_pair_item_by_item() -> None:
    """The same answers but for one item of the small task: the interval of the difference is that
    of this task alone, and the retained share counts tasks alike."""
    rows = Rows()
    for quant, small in (("F16", 10 * RIGHT), ("Q4_K_M", 9 * RIGHT + WRONG)):
        ask(rows, "arc_easy", 40 * RIGHT + 60 * WRONG, quant=quant)
        ask(rows, "arc_challenge", small, quant=quant)
    whole, quantized = (by_quant(rows.tables())[quant] for quant in ("F16", "Q4_K_M"))
    posterior = draw_posterior([whole, quantized])
    difference = posterior.capability[:, 0] - posterior.capability[:, 1]
    assert whole.capability is not None
    assert quantized.capability is not None
    expected = whole.capability.value - quantized.capability.value
    assert expected == pytest.approx((1 / 0.75) * 0.1 / 2)
    assert np.std(difference) < 0.08
    differences = paired_differences(whole, quantized)
    assert differences is not None
    assert differences.sum() == pytest.approx(expected)
    share = retained_quality(quantized, [whole, quantized], "reasoning").share
    assert share is not None
    assert share.value == pytest.approx(quantized.capability.value / whole.capability.value)


def test_a_variant_without_one_of_the_tasks_lacks_the_class() -> None:
    rows = Rows()
    for quant in ("F16", "Q8_0", "Q4_K_M"):
        ask(rows, "arc_easy", 10 * RIGHT, quant=quant)
        if quant != "Q4_K_M":
            ask(rows, "arc_challenge", 10 * WRONG, quant=quant)
    quants = by_quant(rows.tables())
    assert quants["F16"].capability is not None
    assert quants["Q4_K_M"].capability is None
    assert quants["Q4_K_M"].missing == ("reasoning by arc_challenge, arc_easy, only by arc_easy",)


def test_a_task_that_few_variants_were_asked_is_not_compared() -> None:
    rows = Rows()
    for quant in ("F16", "Q8_0", "Q4_K_M"):
        ask(rows, "arc_easy", 10 * RIGHT, quant=quant)
    ask(rows, "arc_challenge", 10 * WRONG, quant="F16")
    assert {v.classes["reasoning"].value for v in variants(rows.tables())} == {1.0}


def test_models_meet_on_the_tasks_that_they_share() -> None:
    rows = Rows()
    ask(rows, "arc_easy", 10 * RIGHT)
    ask(rows, "arc_challenge", 10 * WRONG)
    ask(rows, "arc_easy", 10 * RIGHT, model="other", artifact_id="other")
    assert [v.classes["reasoning"].value for v in variants(rows.tables())] == [1.0, 1.0]


def test_variants_are_compared_on_the_items_that_most_were_asked() -> None:
    """The 16 bits were asked 4 more items later: not what the others were asked."""
    rows = Rows()
    for quant in ("F16", "Q8_0", "Q4_K_M"):
        ask(rows, "arc_easy", 3 * RIGHT + WRONG, quant=quant, sha="first")
    ask(rows, "arc_easy", 8 * WRONG, quant="F16", sha="second")
    assert len({v.classes["reasoning"].value for v in variants(rows.tables())}) == 1


def test_a_class_whose_task_has_no_name_is_as_before() -> None:
    rows = Rows()
    rows.tasks("math", 3 * RIGHT + WRONG)
    (variant,) = variants(rows.tables())
    assert variant.items["math"].ids == ("s/i000", "s/i001", "s/i002", "s/i003")
    assert set(variant.tasks["math"]) == {"math"}
