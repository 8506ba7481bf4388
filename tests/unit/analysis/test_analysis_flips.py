"""Answers that turn against the 16 bits of the same model, item by item."""

from __future__ import annotations

import pytest
from analysis_cases import variant

from grid.analysis.flips import flips


def test_turned_answers_are_counted_either_way() -> None:
    whole = variant("F16", 16, [1, 1, 1, 0, 0, -1, 1, 0, 1, 0], sixteen_bit=True)
    quant = variant("Q2", 3, [1, 0, 1, 1, 0, -1, 1, 0, 0, 0])
    (row,) = flips([whole, quant])
    assert (row.variant.quant, row.reference, row.n) == ("Q2", whole, 10)
    assert row.turned is not None
    assert row.to_wrong is not None
    assert row.to_right is not None
    assert (row.turned.value, row.to_wrong.value, row.to_right.value) == (0.3, 0.2, 0.1)
    assert row.turned.low < 0.3 < row.turned.high  # type: ignore[operator]


def test_an_equal_score_may_hide_flips() -> None:
    whole = variant("F16", 16, [1, 0] * 50, sixteen_bit=True)
    quant = variant("Q2", 3, [0, 1] * 50)
    (row,) = flips([whole, quant])
    assert row.turned is not None
    assert row.turned.value == 1.0
    assert whole.classes["math"].value == quant.classes["math"].value


def test_only_common_items_count() -> None:
    whole = variant("F16", 16, [1, 1, 1, 1], sixteen_bit=True)
    quant = variant("Q2", 3, {"math": [1, 0], "code": [0, 0]})
    (row,) = flips([whole, quant])
    assert row.n == 2
    assert row.to_wrong is not None
    assert row.to_wrong.value == 0.5


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        ([], "no 16-bit variant of base"),
        ([variant("F16", 16, {"code": [1, 0]}, sixteen_bit=True)], "no items in common"),
        ([variant("F16", 16, [1, 0], sixteen_bit=True, model="x")], "no 16-bit variant of base"),
    ],
)
def test_without_a_pair_there_is_a_reason(others: list, reason: str) -> None:  # type: ignore[type-arg]
    row = flips([variant("Q2", 3, [1, 0]), *others])[0]
    assert row.n == 0
    assert row.turned is None
    assert row.reason.startswith(reason)
