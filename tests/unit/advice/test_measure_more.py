"""Where an answer is less sure than not, it says what to measure, how long that takes, and how."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from advice_cases import add_speed, answers, facts, write_store
from analysis_cases import Rows

from grid.advice import Ask, recommend
from grid.advice.sentences import headline
from grid.advice.to_json import to_data
from grid.analysis.dataset import Dataset
from grid.errors import InputError

MODELS = {"first": range(12), "second": range(4, 16), "third": range(8, 20)}


@pytest.fixture
def unsure(tmp_path: Path) -> Dataset:
    """Three models that got 12 of 20 items right, each others."""
    rows = Rows()
    for i, (model, right) in enumerate(MODELS.items()):
        about = {"model": model, "artifact_id": model, "artifact_bytes": 8000 + i}
        add_speed(rows, "Q8_0", **about)
        scores = [1.0 if item in right else 0.0 for item in range(20)]
        rows.tasks("math", scores, **facts("Q8_0", wall_s=20.0, **about))
    return write_store(rows, tmp_path)


def test_an_unsure_answer_names_variants_items_time_and_command(unsure: Dataset) -> None:
    advice = recommend(unsure)
    assert advice.sure is not None
    assert advice.sure < 0.5
    assert re.fullmatch(r"run .* in llamacpp, but measure more: \d+ % sure", headline(advice))
    needed = advice.measure_more
    assert needed is not None
    assert needed.variants[0] is advice.pick.variant  # type: ignore[union-attr]
    assert len(needed.variants) > 1
    assert (needed.unit, needed.have) == ("items of each task", 20)
    assert needed.need > 10 * needed.have
    assert needed.seconds == pytest.approx((needed.need / 20 - 1) * 20.0 * len(needed.variants))
    assert needed.setting == f"items = {needed.need} under [tasks]"
    assert needed.command == "grid sweep quick.toml" or needed.command.startswith("grid sweep")
    assert "--fresh" not in needed.command
    assert needed.text.startswith(f"{needed.variants[0].label}, ")


def test_json_has_it_with_tolerance_and_expected_loss(unsure: Dataset) -> None:
    data = to_data(recommend(unsure))
    assert data["tolerance"] == 0.01
    assert 0 <= data["expected_loss"] <= 0.01
    assert data["measure_more"]["have"] == 20
    assert len(data["measure_more"]["variants"]) > 1
    msgspec.json.encode(data)


def test_a_wider_tolerance_makes_the_same_answer_sure(unsure: Dataset) -> None:
    advice = recommend(unsure, Ask(tolerance=0.5))
    assert advice.sure is not None
    assert advice.sure > 0.5
    assert advice.measure_more is None


def test_a_model_alone_has_nothing_more_to_measure(tmp_path: Path) -> None:
    rows = Rows()
    add_speed(rows, "Q8_0")
    rows.tasks("math", answers(12, 20), **facts("Q8_0"))
    advice = recommend(write_store(rows, tmp_path))
    assert advice.sure is None
    assert advice.measure_more is None


@pytest.mark.parametrize("tolerance", [-0.01, 1.0, float("nan")])
def test_a_tolerance_that_is_no_capability_is_refused(tolerance: float) -> None:
    with pytest.raises(InputError, match=r"tolerance is .*; give the capability"):
        Ask(tolerance=tolerance)
