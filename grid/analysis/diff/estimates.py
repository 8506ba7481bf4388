"""The change of a figure from A to B and its standard error, cell by cell.

Changes of rates, times, perplexities, divergences and bytes are logs of B over A, those of task
scores are differences B - A. A change with `error` 0 is exact.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from grid.analysis.diff.pairing import CellPair
from grid.analysis.disturbed_rates import DISTURBED
from grid.analysis.noise_floors import canonical_options
from grid.analysis.tables import Attempt, ItemRows
from grid.cells.repetitions import LEVEL as STOPPED_LEVEL
from grid.results.statistics import group_codes, sign_flip_test
from grid.results.statistics.groups import group_totals
from grid.results.statistics.interval import Floats, t_quantile
from grid.results.statistics.runs import QUIET_DEGREES, QUIET_SD

MEMORY_SD = 0.01
"""Standard deviation between runs of the log of a memory peak, as assumed: a peak is one
observation."""


OF_MEDIAN = math.pi / 2
"""Variance of a median over that of a mean, of normal samples."""


@dataclass(frozen=True)
class ChangeEstimate:
    """The change of one figure of a pair of cells.

    `within` and `between` are variances of the change: of the repetitions, and of another run;
    `degrees` and `between_degrees` those of freedom. `session` names the engine process that shares
    a run's deviation. `units` are contributions of items or chunks by name, whose sum is the
    change; `p_value` is that of their sign-flip test. `shift` is the log of the machine's own
    kernel speeds, B over A, by kernel.
    """

    pair: CellPair
    first: float
    second: float
    change: float
    within: float = 0.0
    degrees: float = 1.0
    between: float = 0.0
    between_degrees: float = QUIET_DEGREES
    session: str = ""
    units: Mapping[str, float] | None = None
    p_value: float | None = None
    shift: Mapping[str, float] | None = None
    disturbed: Mapping[str, str] = field(default_factory=dict)
    """What disturbed a side, by its letter."""
    unknown: str = ""
    """Why there is no interval; empty where there is."""

    @property
    def decides(self) -> bool:
        """False for disturbed figures, and for those without an interval."""
        return not self.disturbed and not self.unknown


def rate_change(pair: CellPair, name: str, series: str) -> ChangeEstimate | None:
    """Of mean rates, or of times where `series` is the metric itself; None where a side lacks it.

    Both sides have a variance within their repetitions and one between runs (`between_run_sd`).
    """
    sides = [_speed(attempt, name, series) for attempt in pair]
    if any(side is None for side in sides):
        return None
    a, b = (side for side in sides if side is not None)
    return ChangeEstimate(
        pair,
        a.value,
        b.value,
        float(np.log(b.value / a.value)),
        within=a.within + b.within,
        degrees=satterthwaite([(a.within, a.degrees), (b.within, b.degrees)]),
        between=a.between + b.between,
        between_degrees=satterthwaite(
            [(a.between, a.between_degrees), (b.between, b.between_degrees)]
        ),
        session=session_of(pair),
        shift=_shift(pair),
        disturbed=disturbed_sides(pair),
        unknown="" if a.has_spread and b.has_spread else "a single repetition",
    )


@dataclass(frozen=True)
class _Speed:
    value: float
    within: float
    degrees: float
    between: float
    between_degrees: float
    has_spread: bool


def _speed(attempt: Attempt, name: str, series: str) -> _Speed | None:
    figure = attempt.metrics.get(name)
    if figure is None or figure.value <= 0:
        return None
    spread = attempt.metrics.get("between_run_sd")
    between = (QUIET_SD**2, QUIET_DEGREES)
    if spread is not None and spread.value > 0:
        between = (spread.value**2, float(max(1, spread.n)))
    seconds = attempt.series.get(series)
    if seconds is not None and len(seconds) > 1:
        n = len(seconds)
        variance = float(np.log(seconds).var(ddof=1)) / n * _stopping(attempt, n) ** 2
        if series == name:
            variance *= OF_MEDIAN
        return _Speed(figure.value, variance, n - 1.0, *between, has_spread=True)
    has_spread = figure.sd is not None and figure.n > 1
    variance = (figure.sd / figure.value) ** 2 / figure.n if has_spread and figure.sd else 0.0
    return _Speed(figure.value, variance, max(1.0, figure.n - 1.0), *between, has_spread=has_spread)


def _stopping(attempt: Attempt, n: int) -> float:
    """What makes a standard error of repetitions that their own precision stopped large enough."""
    if not attempt.workload.get("precision"):
        return 1.0
    return t_quantile(n - 1, STOPPED_LEVEL) / t_quantile(n - 1)


def session_of(pair: CellPair) -> str:
    """The engine processes that the cells of a pair ran in."""
    rows = [attempt.row for attempt in pair]
    return json.dumps(
        [
            [
                r["artifact_id"],
                r["backend"],
                canonical_options(r),
                r["hardware_class"],
                r["sweep_id"],
            ]
            for r in rows
        ]
    )


def _shift(pair: CellPair) -> dict[str, float] | None:
    """Log of the kernels' speed, B over A; None between machines, which differ on purpose."""
    if pair.first.row["hardware_class"] != pair.second.row["hardware_class"]:
        return None
    shifts = {}
    for name in ("machine_compute_s", "machine_memory_s"):
        a, b = (attempt.series.get(name) for attempt in pair)
        if a is not None and b is not None:
            shifts[name] = float(np.log(a).mean() - np.log(b).mean())
    return shifts or None


def disturbed_sides(pair: CellPair) -> dict[str, str]:
    """What disturbed a side, by its letter."""
    reasons = {}
    for letter, attempt in zip("AB", pair, strict=True):
        lost = attempt.metrics.get("lost_share")
        reason = attempt.environment.get("disturbed", "")
        if not reason and lost is not None and lost.value > DISTURBED:
            reason = f"lost {lost.value:.0%} of its time to other programs"
        if reason:
            reasons[letter] = reason
    return reasons


def text_change(pair: CellPair, series: str) -> ChangeEstimate | None:
    """Of the perplexity (`nll`), paired by chunk, or of the mean divergence (`kld`); None where a
    side lacks chunks, or a divergence is of another reference or 0."""
    a, b = (attempt.chunk_means.get(series) for attempt in pair)
    if a is None or b is None:
        return None
    count = min(len(a), len(b))  # of a sweep that stopped when decided, the first chunks
    a, b = a[:count], b[:count]
    finite = np.isfinite(a) & np.isfinite(b)
    a, b = a[finite], b[finite]
    if not len(a):
        return None
    text = str(pair.first.workload.get("text_sha256") or "")
    names = [f"{text}/{chunk}" for chunk in np.flatnonzero(finite).tolist()]
    if series == "nll":
        first, second = float(np.exp(a.mean())), float(np.exp(b.mean()))
        return _paired(pair, first, second, b - a, names)
    references = {attempt.workload.get("reference") for attempt in pair}
    first, second = float(a.mean()), float(b.mean())
    if len(references) > 1 or first <= 0 or second <= 0:
        return None
    change = float(np.log(second / first))
    return _paired(pair, first, second, change + b / second - a / first, names)


def item_change(
    pair: CellPair, items: tuple[ItemRows | None, ItemRows | None]
) -> ChangeEstimate | None:
    """Of the mean score, paired by item, of items in groups by group; None without common items."""
    a, b = items
    if a is None or b is None:
        return None
    places = {name: at for at, name in enumerate(b.ids)}
    common = [(at, places[name]) for at, name in enumerate(a.ids) if name in places]
    if not common:
        return None
    mine, theirs = np.array(common).T
    names = [a.ids[at] for at in mine.tolist()]
    first, second = float(a.scores[mine].mean()), float(b.scores[theirs].mean())
    differences = b.scores[theirs] - a.scores[mine]
    groups = [a.groups[at] for at in mine.tolist()] if a.groups else []
    codes = group_codes(groups)
    if codes is not None:
        totals = group_totals(differences, codes)
        named: dict[int, str] = {}
        for code, group, name in zip(codes.tolist(), groups, names, strict=True):
            named.setdefault(code, group or name)
        differences = totals * len(totals) / len(names)
        names = [named[code] for code in range(len(totals))]
    return _paired(pair, first, second, differences, names)


def _paired(
    pair: CellPair, first: float, second: float, differences: Floats, names: Sequence[str]
) -> ChangeEstimate:
    """The change is the mean of the differences [n], one of each unit."""
    n = len(differences)
    shares = dict(zip(names, (differences / n).tolist(), strict=True))
    return ChangeEstimate(
        pair,
        first,
        second,
        float(differences.mean()),
        within=float(differences.var(ddof=1)) / n if n > 1 else 0.0,
        degrees=max(1.0, n - 1.0),
        units=shares,
        p_value=sign_flip_test(differences)[0],
        unknown="" if n > 1 else "a single chunk, item or group",
    )


def size_change(pair: CellPair, name: str) -> ChangeEstimate | None:
    """Of bytes: those of the weights exactly, a peak of memory with the spread `MEMORY_SD`."""
    values = [_bytes(attempt, name) for attempt in pair]
    if not all(values):
        return None
    first, second = (float(value or 0) for value in values)
    peak = 2 * MEMORY_SD**2 if name.startswith("peak_") else 0.0
    change = float(np.log(second / first))
    return ChangeEstimate(pair, first, second, change, between=peak, session=session_of(pair))


def _bytes(attempt: Attempt, name: str) -> float | None:
    if name == "artifact_bytes":
        size = attempt.row["artifact_bytes"]
        return None if size is None else float(size)
    figure = attempt.metrics.get(name)
    return None if figure is None else figure.value


def satterthwaite(parts: Sequence[tuple[float, float]]) -> float:
    """Degrees of freedom of a sum of variances (Satterthwaite 1946)."""
    total = sum(variance for variance, _ in parts)
    squares = sum(variance**2 / degrees for variance, degrees in parts)
    return total**2 / squares if squares else 1.0
