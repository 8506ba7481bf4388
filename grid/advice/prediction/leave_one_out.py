"""Errors by fitting again without some rows: slow and exact, for evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from grid.advice.prediction.fit import FittedRate, measured_rate
from grid.advice.prediction.left_out import chip_known
from grid.advice.prediction.observation import Observation
from grid.advice.prediction.prefill_terms import within_peak
from grid.advice.prediction.result import RATES, LooRow, RateKind, loo_row, summarize
from grid.advice.prediction.splits import size_class

LeftOutBy = Literal["group", "quant", "platform", "size", "source"]


def leave_one_out(
    observations: Sequence[Observation], key: LeftOutBy = "group", rates: Sequence[RateKind] = RATES
) -> tuple[LooRow, ...]:
    """Every measured rate beside what is predicted without its group, its platform, or its group's
    rows of the same quant. Where nothing is known of a group's chip (its bandwidth, for prefill its
    rate of operations), leaving it out whole leaves nothing to predict from: it is not listed."""
    rows = sorted(observations, key=repr)
    results: list[LooRow] = []
    for rate in rates:
        used = [row for row in rows if measured_rate(rate, row) is not None]
        targets = [row for row in used if key == "quant" or chip_known(rate, row)]
        for left in dict.fromkeys(left_out_key(row, key) for row in targets):
            fitted = FittedRate.of(rate, [row for row in used if left_out_key(row, key) != left])
            results += [
                replace(compare_with_prediction(rate, fitted, row), left_out=key)
                for row in targets
                if left_out_key(row, key) == left
            ]
    return tuple(results)


def compare_with_prediction(rate: RateKind, fitted: FittedRate, row: Observation) -> LooRow:
    """A measured row beside its prediction. Raises ValueError where its rate was not measured."""
    draws = fitted.rates(row)
    if rate == "prefill":
        draws = within_peak(draws, row)
    return loo_row(rate, row, *summarize(draws))


def left_out_key(row: Observation, key: LeftOutBy) -> tuple[str, ...]:
    """What rows that are left out together have alike."""
    match key:
        case "platform":
            return (row.platform,)
        case "size":
            return (size_class(row.parameters),)
        case "source":
            return (row.origin,)
        case "quant":
            return (row.device, row.quant)
        case _:
            return (row.device,)
