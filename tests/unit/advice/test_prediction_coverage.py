"""Intervals of 90 % hold 85 to 98 % of what is measured, in simulated worlds."""

from __future__ import annotations

import numpy as np
import pytest
from prediction_worlds import QUANTS, worlds

from grid.advice.prediction.fit import FittedRate
from grid.advice.prediction.leave_one_out import compare_with_prediction
from grid.advice.prediction.result import RateKind

REPLICATIONS = 80


@pytest.mark.parametrize("misspecified", [False, True])
@pytest.mark.parametrize("rate", ["decode", "prefill"])
def test_intervals_cover_on_a_chip_left_out(rate: RateKind, misspecified: bool) -> None:
    held: list[bool] = []
    for index, (_, rows) in enumerate(worlds(REPLICATIONS, misspecified)):
        left = rows[index * 10 % len(rows)].group
        fitted = FittedRate.of(rate, [row for row in rows if row.group != left], draws=800)
        held += [
            compare_with_prediction(rate, fitted, row).covered for row in rows if row.group == left
        ]
    assert 0.85 <= np.mean(held) <= 0.98


@pytest.mark.parametrize("misspecified", [False, True])
@pytest.mark.parametrize("rate", ["decode", "prefill"])
def test_intervals_cover_on_a_quant_left_out(rate: RateKind, misspecified: bool) -> None:
    held: list[bool] = []
    for index, (_, rows) in enumerate(worlds(REPLICATIONS, misspecified)):
        left = (rows[index * 10 % len(rows)].group, QUANTS[index % len(QUANTS)])
        out = [row for row in rows if (row.group, row.quant) == left]
        fitted = FittedRate.of(rate, [row for row in rows if row not in out], draws=800)
        held += [compare_with_prediction(rate, fitted, row).covered for row in out]
    assert 0.85 <= np.mean(held) <= 0.98
