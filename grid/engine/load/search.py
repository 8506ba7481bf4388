"""The largest rate that meets a service level objective, by bisection on the logarithm of the rate.

A trial sends one rate until it is decided. At each look the share of requests that keep the limits
has an interval: the wider of Wilson's, and of Student's t over blocks of successive requests, which
wait in the same queue and so are alike. A rate meets the objective where the whole interval is at
or above the attainment, and does not where all of it is below, or where the backlog grows. The
level of a look is that of all looks together, after Bonferroni.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace

from grid.cells.load import SEARCH_TRIALS, ServerLoad, Slo
from grid.cells.measurement import Series
from grid.engine.load.completion import Result
from grid.engine.load.generator import LoadRun, Sent
from grid.engine.load.raw_results import raw_results, saturated
from grid.engine.measure.result import WorkloadResult, series
from grid.errors import EngineError

PRECISION = 0.05
"""The search ends where the bounds are closer than this share of the rate."""

LOOKS = (0.34, 1.0)
"""Parts of a trial's duration after which it is looked at. The first can only tell that the rate is
too large: a backlog takes time to show."""

BLOCKS = 8
FEWEST = 40
"""Requests of a trial at least, whatever its duration."""

_Z = 2.24
"""Normal quantile of 1 - 0.05 / 2 / 2: two looks."""

_T = 2.84
"""Student's t of the same at BLOCKS - 1 = 7 degrees of freedom."""

MOST_RATE = 5000.0
LEAST_RATE = 0.005


@dataclass(frozen=True, slots=True)
class RateTrial:
    """A rate that was tried: `within_limits` of `requests` kept the limits; `verdict` is 1 where it
    meets the objective, -1 where it does not, 0 where that cannot be told."""

    rate: float
    requests: int
    within_limits: int
    verdict: int
    sent: Sent


def keeps(result: Result, slo: Slo) -> bool:
    """Whether a request kept every limit; one that failed, or whose tokens are not known where a
    time per token is limited, did not."""
    if result.error:
        return False
    figures = {"ttft_s": result.ttft_s, "tpot_s": result.tpot_s, "e2e_s": result.e2e_s}
    if slo.tpot_s and not result.tokens:
        return False
    return all(figures[name] <= limit for name, limit in slo.limits.items())


def verdict(flags: Sequence[bool], slo: Slo) -> int:
    """1, -1 or 0 as of RateTrial, of requests in the order in which they were due."""
    share, n = float(np.mean(flags)), len(flags)
    z2 = _Z**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    low, high = centre - half, centre + half
    if n >= 2 * BLOCKS:
        means = np.array([np.mean(block) for block in np.array_split(np.array(flags), BLOCKS)])
        spread = _T * float(means.std(ddof=1)) / math.sqrt(BLOCKS)
        low, high = min(low, share - spread), max(high, share + spread)
    if low >= slo.attainment:
        return 1
    return -1 if high < slo.attainment else 0


async def search(
    workload: ServerLoad, run_of: Callable[[ServerLoad], LoadRun], first_rate: float
) -> WorkloadResult:
    """Try rates: double or halve from `workload.rate` (or what one client alone would send) until
    both sides are there, then bisect. The result has the requests of the largest rate that met the
    objective, and every trial. Raises EngineError where nothing could be decided."""
    bounds = RateBounds()
    rate = workload.rate or first_rate
    for _ in range(SEARCH_TRIALS):
        rate = min(max(rate, LEAST_RATE), MOST_RATE)
        bounds.add(await _try(replace(workload, rate=rate), run_of))
        following = bounds.next_rate()
        if following is None:
            break
        rate = following
    best = bounds.best
    if best is None:
        lowest = min(bounds.trials, key=lambda trial: trial.rate)
        share = lowest.within_limits / lowest.requests
        raise EngineError(
            f"no rate down to {lowest.rate:.3g} requests/s meets the objective: {share:.0%} of "
            "the requests kept the limits there"
        )
    result = raw_results(best.sent, replace(workload, rate=best.rate))
    return WorkloadResult(
        scalars=result.scalars,
        series=(*result.series, *_trial_series(bounds.trials)),
        environment={**result.environment, "latencies_at": f"{best.rate:.4g} requests/s"},
    )


class RateBounds:
    """The trials so far, and what they say of the largest rate."""

    def __init__(self) -> None:
        self.trials: list[RateTrial] = []

    def add(self, trial: RateTrial) -> None:
        self.trials.append(trial)

    @property
    def best(self) -> RateTrial | None:
        """The largest rate that met the objective, below any that did not."""
        above = self.high
        met = [t for t in self.trials if t.verdict > 0 and (above is None or t.rate < above)]
        return max(met, key=lambda trial: trial.rate, default=None)

    @property
    def high(self) -> float | None:
        """The smallest rate that did not meet it."""
        return min((t.rate for t in self.trials if t.verdict < 0), default=None)

    def next_rate(self) -> float | None:
        """The rate to try next; None where the search is over."""
        low, high = self.best.rate if self.best else None, self.high
        open_rates = sorted(t.rate for t in self.trials if not t.verdict)
        if low is None:
            least = min(trial.rate for trial in self.trials)
            return least / 2 if least > LEAST_RATE else None
        if high is None:
            most = max(trial.rate for trial in self.trials)
            return most * 2 if most < MOST_RATE else None
        between = [rate for rate in open_rates if low < rate < high]
        gaps = [(low, between[0]), (between[-1], high)] if between else [(low, high)]
        left, right = max(gaps, key=lambda gap: gap[1] / gap[0])
        return math.sqrt(left * right) if right / left > 1 + PRECISION else None


async def _try(workload: ServerLoad, run_of: Callable[[ServerLoad], LoadRun]) -> RateTrial:
    duration_s = max(workload.duration_s, FEWEST / workload.rate)
    trial = None
    for part in LOOKS:
        timed = replace(workload, requests=0, duration_s=max(part * duration_s, 1.0))
        sent = await run_of(timed).run()
        flags = [keeps(result, workload.slo) for result in sent.counted]
        decided = -1 if saturated(sent, timed) else verdict(flags, workload.slo) if flags else 0
        trial = RateTrial(workload.rate, len(flags), sum(flags), decided, sent)
        if decided < 0:
            break
    assert trial
    return trial


def _trial_series(trials: Sequence[RateTrial]) -> tuple[Series, ...]:
    return (
        series("search_rate", "request/s", [trial.rate for trial in trials]),
        series("search_requests", "1", [trial.requests for trial in trials]),
        series("search_kept", "1", [trial.within_limits for trial in trials]),
        series("search_verdict", "1", [trial.verdict for trial in trials]),
    )
