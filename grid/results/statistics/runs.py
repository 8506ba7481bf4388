"""How far the mean rate of another run of the same cell lies from this one's.

Repetitions of one run share its process, the placement of its memory and what the machine does at
that time, so their spread does not tell how runs differ. The variance between runs, of the log of
the mean rate, is pooled from what is known:

* `QUIET_SD` of runs on a machine that does nothing else, in processes of their own;
* how far the machine's own speed moved between the kernels before and after the repetitions;
* the runs of the same cells that the store had before;
* the time that the repetitions lost to others: what a run loses varies about as much as it loses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grid.results.statistics.interval import Floats

QUIET_SD = 0.015
"""Standard deviation between runs of log mean rates on a quiet machine."""

QUIET_DEGREES = 8.0
"""Runs that this is worth against what is seen otherwise."""

DISTURBED_SHARE = 0.8
"""Standard deviation between runs of what a disturbed run loses, over what it loses, in logs:
0.5 to 1.1 in six sweeps on two cores that 5 to 12 other processes wanted."""

DISTURBED_DEGREES = 4.0
"""What this is worth against the spread of a few disturbed repetitions."""


@dataclass(frozen=True, slots=True)
class BetweenRuns:
    """Variance between runs of the log of the mean rate, worth `degrees` degrees of freedom.

    `loss` is the mean log of time over time without what was lost to others.
    """

    variance: float
    degrees: float
    loss: float = 0.0

    def within(self, logs: Floats) -> tuple[float, float]:
        """Variance and degrees of freedom of a single repetition's log rate [n], n >= 2: the
        sample's, and where time was lost also what loses it, for three disturbed repetitions say
        next to nothing of their spread."""
        degrees, variance = len(logs) - 1.0, float(logs.var(ddof=1))
        if not self.loss:
            return variance, degrees
        prior = (DISTURBED_SHARE * self.loss) ** 2
        whole = degrees + DISTURBED_DEGREES
        return (degrees * variance + DISTURBED_DEGREES * prior) / whole, whole


def between_runs(
    lost: npt.ArrayLike = (),
    kernels: Sequence[npt.ArrayLike] = (),
    earlier: BetweenRuns | None = None,
) -> BetweenRuns:
    """The variance between runs of a cell.

    `lost` is the share of its time that each repetition lost [n], `kernels` the seconds of each
    kernel before and after them, `earlier` what the runs in the store show.
    """
    observed = [part for part in (moved(kernels), earlier) if part is not None]
    between, loss = pooled(observed), log_loss(lost)
    return BetweenRuns(between.variance + loss_variance(loss), between.degrees, loss)


def pooled(observed: Iterable[BetweenRuns]) -> BetweenRuns:
    """A quiet machine's variance between runs, with what was observed of this one."""
    parts = [BetweenRuns(QUIET_SD**2, QUIET_DEGREES), *observed]
    degrees = sum(part.degrees for part in parts)
    return BetweenRuns(sum(part.variance * part.degrees for part in parts) / degrees, degrees)


def log_loss(lost: npt.ArrayLike) -> float:
    """Mean log of time over time without what was lost, of shares of time lost [n]."""
    shares = np.asarray(lost, dtype=np.float64)
    return float(-np.log1p(-shares).mean()) if shares.size else 0.0


def loss_variance(loss: float) -> float:
    """Variance between runs of what such runs lose."""
    return (DISTURBED_SHARE * loss) ** 2


def moved(kernels: Sequence[npt.ArrayLike]) -> BetweenRuns | None:
    """The variance that the steadiest kernel shows between its first and its last run: noise of a
    single kernel is not the machine's."""
    changes = []
    for kernel in kernels:
        times = np.asarray(kernel, dtype=np.float64)
        if times.size >= 2 and (times > 0).all():
            changes.append(float(np.log(times[-1] / times[0])))
    if not changes:
        return None
    return BetweenRuns(min(change**2 for change in changes) / 2, 1.0)


def earlier_runs(log_means: Sequence[npt.ArrayLike]) -> BetweenRuns | None:
    """Pooled variance of the log mean rates of the runs of each cell; None without a second run of
    any."""
    runs = [np.asarray(cell, dtype=np.float64) for cell in log_means]
    repeated = [cell for cell in runs if len(cell) > 1]
    degrees = sum(len(cell) - 1 for cell in repeated)
    if not degrees:
        return None
    squares = sum(float(((cell - cell.mean()) ** 2).sum()) for cell in repeated)
    return BetweenRuns(squares / degrees, float(degrees))
