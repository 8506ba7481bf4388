"""How often a speed workload is repeated: a fixed number, or until its rate is known well enough.

Who looks after each repetition and stops when an interval is narrow stops more often where the
interval is too narrow by chance. With Student's t at 95 % and looks at 3 to 20 repetitions the
interval then covers 90 % in the worst case; at `LEVEL` it covers 95 % or more whatever the spread
(tests/unit/results/test_stopping.py simulates it). So that level stops, and makes the interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

FEWEST = 3
MOST = 20

LEVEL = 0.98
"""Level of Student's t that leaves 95 % to the interval of repetitions that were stopped by it."""

_T = (
    31.8205, 6.9646, 4.5407, 3.7469, 3.3649, 3.1427, 2.9980, 2.8965, 2.8214, 2.7638,
    2.7181, 2.6810, 2.6503, 2.6245, 2.6025, 2.5835, 2.5669, 2.5524, 2.5395,
)  # fmt: skip
"""Two-sided critical values at `LEVEL` for 1 to 19 degrees of freedom: an engine's environment need
not have scipy."""


class RepetitionRule(NamedTuple):
    """`fewest` to `most` undisturbed repetitions; in between it ends where the half width of the
    interval is at most `precision` of the rate. After `seconds` no further one is begun, unless
    there are fewer than `fewest`."""

    fewest: int
    most: int
    precision: float
    seconds: float

    @property
    def is_fixed(self) -> bool:
        return self.fewest == self.most


def repetition_rule(count: int, precision: float, seconds: float) -> RepetitionRule:
    """Exactly `count` where no precision is asked."""
    if precision > 0:
        return RepetitionRule(FEWEST, MOST, precision, seconds)
    return RepetitionRule(count, count, 0.0, seconds)


def relative_half_width(seconds: Sequence[float]) -> float:
    """Half width of the interval of the median rate at `LEVEL`, as a share of the rate, from 2 to
    20 times [n]; infinite for fewer, and where a time is not positive."""
    n = len(seconds)
    if n < 2 or min(seconds) <= 0:
        return math.inf
    logs = [math.log(value) for value in seconds]
    mean = sum(logs) / n
    variance = sum((value - mean) ** 2 for value in logs) / (n - 1)
    return math.expm1(_T[min(n - 2, len(_T) - 1)] * math.sqrt(variance / n))
