"""How a verdict is reached: quantities as joint draws against the range that a rule states.

A rule holds where all its quantities lie in the range with probability 0.95 together. It is
contradicted where one of them is surely below it, or surely above it. That a wide posterior leaves
a narrow range little probability contradicts nothing: it is ignorance, and reads "not enough data"
with what was seen. With k quantities each must be sure at 1 - 0.05 / k, since one of many is soon
off by chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grid.advice.folklore.rule import CONTRADICTED, HOLDS, OPEN, Finding
from grid.analysis.figures import percent, probability_in_words
from grid.results.statistics.interval import Floats

SURE = 0.95
SHOWN = 3
"""Quantities named in a sentence; all are in the numbers."""

_PLACES = ("the first", "the second", "the third")
_TWO_SIDED = 1.96

_MANY = 1000
"""Times the samples from which more of them are no advice."""


def times(value: float) -> str:
    """A factor: `1.20x`."""
    return f"{value:.2f}x"


def significant(value: float) -> str:
    """Three significant digits: `0.0123`."""
    return f"{value:.3g}"


def span(values: Floats, write: Callable[[float], str] = significant) -> str:
    """`4.5 to 4.89`: least and most, once where they are written alike."""
    low, high = write(values.min()), write(values.max())
    return low if low == high else f"{low} to {high}"


def interval_text(low: float, high: float, write: Callable[[float], str]) -> str:
    """`(2.1 to 4.0)`: the ends of an interval, without their unit."""
    low_text, high_text = (write(end).removesuffix(" %").removesuffix("x") for end in (low, high))
    return f"({low_text} to {high_text})"


@dataclass(frozen=True)
class Band:
    """The range that a rule states, ends included; `text` as people say it."""

    low: float
    high: float
    text: str


FIRST_LARGER = Band(0.0, math.inf, "larger")
"""Of a difference: the first of the two has more."""


@dataclass(frozen=True)
class Quantity:
    """One quantity that a rule is about: draws [draws], NaN where it was not measured.

    `error_known` is False where nothing says how sure the figure is. It rests on `samples` of
    `sample_kind`, 0 where more would change nothing. `name` is its key in the numbers; in the
    sentence `subject` stands in its place, and `text` in place of subject, value and interval.
    """

    name: str
    draws: Floats
    write: Callable[[float], str] = percent
    error_known: bool = True
    samples: int = 0
    sample_kind: str = "items"
    text: str = ""
    subject: str = ""

    @property
    def measured(self) -> bool:
        return not np.isnan(self.draws).any()

    @property
    def middle(self) -> float:
        """The median: ratios of rates that few repetitions tell have no mean worth the name."""
        return float(np.median(self.draws))

    @property
    def interval(self) -> tuple[float, float]:
        """The central 95 %."""
        low, high = np.quantile(self.draws, [0.025, 0.975])
        return float(low), float(high)

    def inside(self, band: Band) -> npt.NDArray[np.bool_]:
        """Which draws lie in the band [draws]."""
        return (self.draws >= band.low) & (self.draws <= band.high)

    def chance_outside(self, band: Band) -> float:
        """Probability of being off the band on the likelier side."""
        return float(max((self.draws < band.low).mean(), (self.draws > band.high).mean()))

    def sentence(self) -> str:
        """Subject, value and interval, the unit once."""
        if self.text:
            return self.text
        low, high = self.interval
        value = f"{self.subject or self.name} {self.write(self.middle)}"
        if high - low <= 1e-9 * max(1.0, abs(high)):
            return value
        return f"{value} {interval_text(low, high, self.write)}"


def judge_within(
    quantities: Sequence[Quantity], band: Band, source: str = "", *, arithmetic: bool = False
) -> Finding:
    """The finding on quantities that all should lie in the band; `why` is empty where none was
    measured. `source` says what they are from; `arithmetic` that they follow from public shapes."""
    measured = [q for q in quantities if q.measured]
    sure = [q for q in measured if q.error_known]
    if not sure:
        listing = _list_text(measured)
        why = f"{listing}. The error of these figures is not known" if listing else ""
        return Finding(OPEN, why, _numbers(measured), arithmetic=arithmetic)
    enough = 1 - (1 - SURE) / len(sure)
    against = [q for q in sure if q.chance_outside(band) >= enough]
    probability = float(np.logical_and.reduce([q.inside(band) for q in sure]).mean())
    numbers = {**_numbers(sure), "probability": probability}
    basis = "Arithmetic" if arithmetic else "Data"
    claim = f"{f' ({source})' if source else ''}. Claim: {band.text}. {basis}"
    if against:
        others = [q for q in sure if q.chance_outside(band) < enough]
        # Of the quantity that is off the most, corrected for how many were looked at.
        doubt = len(sure) * (1 - max(q.chance_outside(band) for q in sure))
        why = f"{_list_text(against)}{claim} {_verb('disagree', arithmetic)}"
        why += f"{_chance_text(1 - doubt, arithmetic)}{_others_text(others, band)}"
        return Finding(CONTRADICTED, why, numbers, doubt=doubt, arithmetic=arithmetic)
    if probability >= SURE:
        why = f"{_list_text(sure)}{claim} {_verb('agree', arithmetic)}"
        why += _chance_text(probability, arithmetic)
        return Finding(HOLDS, why, numbers, arithmetic=arithmetic)
    # Where hardly any draw lies in the range, none is surely off it: the intervals are too wide.
    wide = probability <= 1 - SURE
    reason = "intervals are too wide" if wide else f"{100 * probability:.0f} % for the claim"
    unsure = sorted(sure, key=lambda q: q.inside(band).mean())
    why = f"{_list_text(unsure)}{claim} {_verb('leave', arithmetic)} it open ({reason})"
    return Finding(OPEN, f"{why}{_samples_text(unsure, band)}", numbers, arithmetic=arithmetic)


def _verb(plural: str, arithmetic: bool) -> str:
    return f"{plural}s" if arithmetic else plural


def _others_text(others: Sequence[Quantity], band: Band) -> str:
    """What the quantities that are not against a rule say of it."""
    if not others:
        return ""
    inside = [q for q in others if q.inside(band).mean() >= SURE]
    if inside:
        return f". As claimed: {_list_text(inside)}"
    return f". Undecided: {_list_text(others)}"


def _samples_text(unsure: Sequence[Quantity], band: Band) -> str:
    """How many samples would decide the least sure quantity, if its value stays as it is."""
    for place, quantity in zip(_PLACES, unsure, strict=False):
        edges = [
            abs(quantity.middle - edge) for edge in (band.low, band.high) if math.isfinite(edge)
        ]
        near = min(edges, default=0.0)
        if quantity.samples and near and quantity.chance_outside(band) < SURE:
            factor = (_TWO_SIDED * float(quantity.draws.std()) / near) ** 2
            if 1 < factor <= _MANY:
                which = place if len(unsure) > 1 else "it"
                count = float(f"{quantity.samples * factor:.1g}")
                return (
                    f". About {count:,.0f} {quantity.sample_kind} instead of {quantity.samples:,} "
                    f"would decide {which} if its value stays"
                )
    return ""


def _list_text(quantities: Sequence[Quantity]) -> str:
    hidden = len(quantities) - SHOWN
    listing = "; ".join(quantity.sentence() for quantity in quantities[:SHOWN])
    return f"{listing}; and {hidden} more" if hidden > 0 else listing


def _numbers(quantities: Sequence[Quantity]) -> dict[str, float]:
    numbers = {}
    for quantity in quantities:
        numbers[quantity.name] = quantity.middle
        numbers[f"{quantity.name}, low"], numbers[f"{quantity.name}, high"] = quantity.interval
    return numbers


def _chance_text(probability: float, arithmetic: bool) -> str:
    """` (97 %)`; nothing for arithmetic that leaves no doubt."""
    if arithmetic and probability > 0.995:
        return ""
    return f" ({probability_in_words(probability)})"
