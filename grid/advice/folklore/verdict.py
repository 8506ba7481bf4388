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

from grid.advice.folklore.rule import CONTRADICTED, HOLDS, OPEN, Finding
from grid.results.statistics.interval import Floats

SURE = 0.95
SHOWN = 3
"""Quantities named in a sentence; all are in the numbers."""

_PLACES = ("the first", "the second", "the third")
_TWO_SIDED = 1.96

_MANY = 1000
"""Times the samples from which more of them are no advice."""


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def points(value: float) -> str:
    """Of a capability, which is 0 for guessing and 1 for all right."""
    return f"{value:+.3f}"


def times(value: float) -> str:
    return f"{value:.2f}x"


def plain(value: float) -> str:
    return f"{value:.3g}"


def _bare(shown: str) -> str:
    """Without its unit, which is said once."""
    return shown.removesuffix(" %").removesuffix("x")


@dataclass(frozen=True)
class Band:
    """The range that a rule states, ends included; `shown` as people say it."""

    low: float
    high: float
    shown: str


ABOVE_ZERO = Band(0.0, math.inf, "above 0")
MORE = Band(0.0, math.inf, "more")
"""Of a difference: the first of the two has more."""


@dataclass(frozen=True)
class Case:
    """One quantity that a rule is about: draws [draws], NaN where it was not measured.

    `known` is False where nothing says how sure the figure is. `samples` of `kind` it rests on, 0
    where more would change nothing. `text` replaces name, value and interval in the sentence.
    """

    name: str
    draws: Floats
    show: Callable[[float], str] = percent
    known: bool = True
    samples: int = 0
    kind: str = "items"
    text: str = ""

    @property
    def mean(self) -> float:
        return float(self.draws.mean())

    @property
    def ends(self) -> tuple[float, float]:
        low, high = np.quantile(self.draws, [0.025, 0.975])
        return float(low), float(high)

    def sentence(self) -> str:
        if self.text:
            return self.text
        low, high = self.ends
        value = f"{self.name} {self.show(self.mean)}"
        if high - low <= 1e-9 * max(1.0, abs(high)):
            return value
        return f"{value} [{_bare(self.show(low))}, {_bare(self.show(high))}]"


def within(cases: Sequence[Case], band: Band) -> Finding:
    """The finding on cases that all should lie in the band; `why` is empty where none was
    measured."""
    measured = [case for case in cases if not np.isnan(case.draws).any()]
    sure = [case for case in measured if case.known]
    if not sure:
        seen = _listed(measured)
        why = f"{seen}; how sure these figures are is not known" if seen else ""
        return Finding(OPEN, why, _numbers(measured))
    enough = 1 - (1 - SURE) / len(sure)
    against = [case for case in sure if _outside(case, band) >= enough]
    together = float(np.logical_and.reduce([_inside(case, band) for case in sure]).mean())
    numbers = {**_numbers(sure), "probability": together}
    if against:
        others = [case for case in sure if case not in against]
        said = f"said: {band.shown}, P {_chance(together)}"
        why = f"{_listed(against)}; {said}{_apart(others, band)}"
        return Finding(CONTRADICTED, why, numbers, doubt=_doubt(sure, band))
    if together >= SURE:
        why = f"{_listed(sure)}; said: {band.shown}, P {_chance(together)}"
        return Finding(HOLDS, why, numbers)
    unsure = sorted(sure, key=lambda case: _inside(case, band).mean())
    chance = f", P {_chance(together)}"
    if together <= 1 - SURE:  # not for being off the range: none is, surely
        chance = ", which such wide intervals cannot tell"
    why = f"{_listed(unsure)}; said: {band.shown}{chance}{_wanted(unsure, band)}"
    return Finding(OPEN, why, numbers)


def _inside(case: Case, band: Band) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return (case.draws >= band.low) & (case.draws <= band.high)


def _outside(case: Case, band: Band) -> float:
    """Probability of being off the band on the likelier side."""
    return float(max((case.draws < band.low).mean(), (case.draws > band.high).mean()))


def _doubt(cases: Sequence[Case], band: Band) -> float:
    """Probability that the case which is off the most is not, times how many were looked at."""
    return len(cases) * (1 - max(_outside(case, band) for case in cases))


def _apart(others: Sequence[Case], band: Band) -> str:
    inside = [case for case in others if _inside(case, band).mean() >= SURE]
    if not others:
        return ""
    return f"; as said: {_listed(inside)}" if inside else f"; undecided: {_listed(others)}"


def _wanted(unsure: Sequence[Case], band: Band) -> str:
    """What would decide the least sure of the cases, if its value stays as it is."""
    for place, case in zip(_PLACES, unsure, strict=False):
        edges = [abs(case.mean - edge) for edge in (band.low, band.high) if math.isfinite(edge)]
        near = min(edges, default=0.0)
        if case.samples and near and _outside(case, band) < SURE:
            factor = (_TWO_SIDED * float(case.draws.std()) / near) ** 2
            if 1 < factor <= _MANY:
                which = place if len(unsure) > 1 else "it"
                count = float(f"{case.samples * factor:.1g}")
                return (
                    f"; about {count:,.0f} {case.kind} in place of {case.samples:,} would decide "
                    f"{which}, if its value stays"
                )
    return ""


def _listed(cases: Sequence[Case]) -> str:
    rest = len(cases) - SHOWN
    return "; ".join(case.sentence() for case in cases[:SHOWN]) + (
        f" and {rest} more" if rest > 0 else ""
    )


def _numbers(cases: Sequence[Case]) -> dict[str, float]:
    found = {}
    for case in cases:
        found[case.name] = case.mean
        found[f"{case.name}, low"], found[f"{case.name}, high"] = case.ends
    return found


def _chance(probability: float) -> str:
    if probability > 0.995:
        return "> 0.99"
    return "< 0.01" if probability < 0.005 else f"{probability:.2f}"
