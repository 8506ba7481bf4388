"""The smallest difference that paired items can tell."""

from __future__ import annotations

import numpy as np
import pytest

from grid.results.statistics import mcnemar_test, resolvable_difference


@pytest.mark.parametrize(
    ("items", "difference"), [(5, None), (6, 1.0), (20, 0.3), (100, 0.08), (1000, 0.022)]
)
def test_the_resolvable_difference(items: int, difference: float | None) -> None:
    assert resolvable_difference(items) == difference


@pytest.mark.parametrize("items", [40, 100, 137, 1000, 5000])
def test_that_difference_is_told_and_the_next_smaller_is_not(items: int) -> None:
    difference = resolvable_difference(items)
    assert difference is not None
    turned = max(round(0.1 * items), 6)
    wins = round((turned + difference * items) / 2)
    for won, told_apart in ((wins, True), (wins - 1, False)):
        first = np.array([1.0] * won + [0.0] * (items - won))
        second = np.array([0.0] * won + [1.0] * (turned - won) + [0.0] * (items - turned))
        assert (mcnemar_test(first, second).p_value <= 0.05) == told_apart


def test_fewer_turned_items_tell_less_difference() -> None:
    few, many = (resolvable_difference(1000, share) for share in (0.02, 0.2))
    assert few is not None
    assert many is not None
    assert few < many
