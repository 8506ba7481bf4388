"""`slower:5%`: what fails a comparison, and whether the data say so.

A threshold is passed over only where a whole interval lies beyond it: that of a family's summary,
or that of one cell, which hold together in 95 % of cases. An interval that reaches over the
threshold cannot tell, and does not fail.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from grid.analysis.diff.difference import Difference, FigureFamily, FigureKind
from grid.errors import InputError, did_you_mean
from grid.results.statistics import Interval

WORDS = ("slower", "worse", "larger")


_FORM = re.compile(r"([a-z]+):(\d+(?:\.\d+)?) ?%?", re.ASCII)

State = Literal["beyond", "within", "cannot tell"]


class Threshold(NamedTuple):
    """`share` is 0.05 for 5 %: of a rate, time, perplexity or size, or points of a task score."""

    word: str
    share: float

    def __str__(self) -> str:
        return f"{self.word}:{100 * self.share:g}%"


class ThresholdOutcome(NamedTuple):
    """A threshold with what lies beyond it, what cannot be told, and how much was looked at."""

    threshold: Threshold
    beyond: list[str]
    unsure: list[str]
    looked_at: int


def parse_threshold(text: str) -> Threshold:
    """Raises InputError for text that is no `WORD:NUMBER%`."""
    match = _FORM.fullmatch(text.strip().lower())
    if match is None:
        raise InputError(f"--fail-on {text!r} is not WORD:NUMBER%; give one such as slower:5%")
    word, share = match[1], float(match[2]) / 100
    if word not in WORDS:
        raise InputError(f"--fail-on knows no {word!r}. {did_you_mean(word, WORDS)}")
    if word != "larger" and share >= 1:
        raise InputError(f"--fail-on {text}: give less than 100 %")
    return Threshold(word, share)


def check(threshold: Threshold, difference: Difference) -> ThresholdOutcome:
    """What the data say of a threshold."""
    outcome = ThresholdOutcome(threshold, [], [], 0)
    looked_at = 0
    for family in difference.families:
        if family.kind.worse == threshold.word and family.kind.name != "kld_mean":
            looked_at += family.cells
            _check_family(threshold, family, outcome)
    return outcome._replace(looked_at=looked_at)


def _check_family(threshold: Threshold, family: FigureFamily, outcome: ThresholdOutcome) -> None:
    title = family.kind.title
    statements = (
        [(f"{title} over {family.cells} cells", family.summary)] if family.cells > 1 else []
    )
    statements += [
        (f"{figure.label} {title}", figure.change)
        for figure in family.figures
        if figure.change.low is not None
    ]
    for name, change in statements:
        state = state_of(family.kind, change, threshold.share)
        if state == "beyond":
            outcome.beyond.append(name)
        elif state == "cannot tell":
            outcome.unsure.append(name)


def state_of(kind: FigureKind, change: Interval | None, share: float) -> State:
    """Where the interval of a change lies: beyond the threshold, within it, or over it."""
    if change is None or change.low is None or change.high is None:
        return "cannot tell"
    best, worst = change.high, change.low
    limit = -share
    if not kind.higher_is_better:
        best, worst = -change.low, -change.high
    if best < limit or (share == 0 and best < 0):
        return "beyond"
    return "within" if worst >= limit else "cannot tell"
