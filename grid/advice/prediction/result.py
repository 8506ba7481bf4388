"""What a prediction says: a rate with its interval, and how wrong such predictions were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Literal

import numpy as np

from grid.advice.prediction.observation import Observation
from grid.results.statistics.interval import Floats

LEVEL = 0.9
"""Share of rates that the intervals of predictions aim to hold."""
FLAT_SHARE = 0.55
"""The rule that others use: decoding reaches this share of the memory's nominal bandwidth."""

OWN_QUANTS = "other quants of this hardware class"
"""The split of the errors on a device that the user measured."""

RateKind = Literal["decode", "prefill"]
RATES: tuple[RateKind, ...] = ("decode", "prefill")


@dataclass(frozen=True)
class LooRow:
    """One measured rate beside what is predicted for it when its group or quant is left out.

    `left_out` says what was left out: the row's group, quant, platform, size or source.
    Rates in token/s; `parameters` are those that a token uses, less than all in a mixture; `error`
    and `flat_error` are |predicted / measured - 1|; the flat rule (bytes of the weights, of a
    mixture those that a token reads, at 0.55 of the bandwidth) is None where no bandwidth is known,
    and for prefill.
    """

    rate: RateKind
    group: str
    engine: str
    quant: str
    model: str
    platform: str
    measured: float
    predicted: float
    low: float
    high: float
    flat_rule: float | None = None
    mixture: bool = False
    parameters: float = 0.0
    origin: str = ""
    left_out: str = "group"

    @property
    def error(self) -> float:
        return abs(self.predicted / self.measured - 1)

    @property
    def flat_error(self) -> float | None:
        return None if self.flat_rule is None else abs(self.flat_rule / self.measured - 1)

    @property
    def covered(self) -> bool:
        return self.low <= self.measured <= self.high


@dataclass(frozen=True)
class Loo:
    """Errors of leaving one out; `median` and `worst` are None without rows.

    `split` says in words which rows they are of. Each device counts alike in the median, however
    many rows it has: the next one asked about is another."""

    rows: tuple[LooRow, ...] = ()
    split: str = ""

    @property
    def median(self) -> float | None:
        if not self.rows:
            return None
        counts = Counter((row.platform, row.group) for row in self.rows)
        order = sorted(self.rows, key=lambda row: row.error)
        weights = np.array([1 / counts[row.platform, row.group] for row in order])
        middles = np.cumsum(weights) - weights / 2
        return float(np.interp(weights.sum() / 2, middles, [row.error for row in order]))

    @property
    def left_out_text(self) -> str:
        """What was left out, in words."""
        keys = {row.left_out for row in self.rows}
        if self.split == OWN_QUANTS:
            return "with each quant of this hardware class left out"
        if keys == {"platform"}:
            return "with a platform left out"
        return "with a class or its source left out"

    @property
    def worst(self) -> float | None:
        return max((row.error for row in self.rows), default=None)

    @property
    def flat_median(self) -> float | None:
        return _median([row.flat_error for row in self.rows if row.flat_error is not None])

    @property
    def groups(self) -> int:
        return len({(row.platform, row.group) for row in self.rows})


@dataclass(frozen=True)
class Prediction:
    """A predicted rate in token/s: median of `draws` and the central interval that holds `level`.

    `error` are the errors of leaving out one hardware class after another on chips like this one;
    `basis` says in words that it is predicted and from what. `far` names the sizes of the models
    that were measured where this one is far from them, else it is empty.
    """

    value: float
    low: float
    high: float
    draws: Floats = field(repr=False)
    error: Loo = field(repr=False)
    basis: str
    far: str = ""
    level: float = LEVEL


def as_wide_as(error: float | None, draws: Floats) -> Floats:
    """Draws [n] of a rate spread about their median, if they are narrower than predictions whose
    median error is this: the ends of the interval lie 2.44 such errors off, as of a normal one."""
    if error is None:
        return draws
    value, low, high = summarize(draws)
    reach = NormalDist().inv_cdf((1 + LEVEL) / 2) / NormalDist().inv_cdf(0.75)
    factor = 2 * reach * np.log1p(error) / np.log(high / low)
    return draws if factor <= 1 else np.asarray(value * (draws / value) ** factor)


def summarize(draws: Floats, level: float = LEVEL) -> tuple[float, float, float]:
    """Median and the ends of the central interval of draws [n]."""
    tail = (1 - level) / 2
    low, value, high = np.quantile(draws, (tail, 0.5, 1 - tail))
    return float(value), float(low), float(high)


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if values else None


def loo_row(rate: RateKind, row: Observation, value: float, low: float, high: float) -> LooRow:
    """A measured row beside its prediction. Raises ValueError where its rate was not measured."""
    truth = row.decode_tps if rate == "decode" else row.prefill_tps
    if truth is None:
        raise ValueError(f"{row.group} {row.quant} has no {rate} rate")
    flat = None
    if rate == "decode" and row.bandwidth_bytes_s is not None:
        size = row.read_bytes if row.mixture else row.weight_bytes
        flat = FLAT_SHARE * row.bandwidth_bytes_s / size
    return LooRow(
        rate=rate,
        group=row.group,
        engine=row.engine,
        quant=row.quant,
        model=row.model,
        platform=row.platform,
        measured=truth,
        predicted=value,
        low=low,
        high=high,
        flat_rule=flat,
        mixture=row.mixture,
        parameters=row.parameters,
        origin=row.origin,
    )
