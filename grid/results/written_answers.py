"""Metrics of what a model wrote, which its score does not say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grid.cells.measurement import ItemResult
from grid.cells.scoring import INVALID_JSON, VALID_JSON
from grid.results.statistics import Interval, group_codes, share_of
from grid.results.statistics.groups import Codes
from grid.results.statistics.repetition import ends_in_repetition
from grid.results.statistics.resample import mean_bounds


def answer_intervals(items: Sequence[ItemResult]) -> dict[str, Interval]:
    """By metric: tokens per written answer, the share of answers that run into the limit repeating
    themselves, and of those not valid where JSON was asked. None where nothing was written."""
    written = [item for item in items if item.finish in ("stop", "length")]
    if not written:
        return {}
    endless = [item.finish == "length" and ends_in_repetition(item.response) for item in written]
    intervals = {
        "tokens_per_answer": _mean([item.tokens for item in written]),
        "repetition_share": share_of(endless, _codes(written)),
    }
    if parsed := [item for item in written if item.note in _JSON_NOTES]:
        invalid = [item.note == INVALID_JSON for item in parsed]
        intervals["invalid_json_share"] = share_of(invalid, _codes(parsed))
    return intervals


def _codes(items: Sequence[ItemResult]) -> Codes | None:
    return group_codes([item.group for item in items])


_JSON_NOTES = (INVALID_JSON, VALID_JSON)


def _mean(counts: Sequence[int]) -> Interval:
    values = np.array(counts, dtype=np.float64)
    n = len(values)
    bounds, method = mean_bounds(values)
    low, high = bounds or (None, None)
    error = float(values.std(ddof=1)) / n**0.5 if n > 1 else None
    return Interval(float(values.mean()), low, high, error, n, f"mean, stderr; {method}")
