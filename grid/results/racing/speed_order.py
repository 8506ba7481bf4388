"""How fast contenders are beside each other, over their runs and not within one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from grid.results.racing.contender import Contender, Rates
from grid.results.statistics.interval import t_quantile
from grid.results.statistics.runs import BetweenRuns, loss_variance, pooled


@dataclass(frozen=True, slots=True)
class _Run:
    """Of the logs of a rate: mean, squares about it, repetitions; and what the run lost varies."""

    mean: float
    squares: float
    count: int
    loss: float


@dataclass(frozen=True, slots=True)
class _Noise:
    """Variance of a repetition within a run, and of runs, of all contenders together."""

    within: BetweenRuns
    between: BetweenRuns


class SpeedOrder:
    """Lower bounds of ratios of rates, for as many pairs as asked."""

    def __init__(self, contenders: Iterable[Contender]) -> None:
        by_name: dict[str, dict[str, Rates]] = {}
        for contender in contenders:
            for name, rates in contender.rates.items():
                by_name.setdefault(name, {})[contender.id] = rates
        self._runs = {
            (name, key): _run(rates) for name, of in by_name.items() for key, rates in of.items()
        }
        self._noise = {name: self._noise_of(name, of) for name, of in by_name.items()}

    def _noise_of(self, name: str, rates: Mapping[str, Rates]) -> _Noise:
        runs = [self._runs[name, key] for key in rates]
        degrees = float(sum(run.count - 1 for run in runs))
        squares = sum(run.squares for run in runs)
        observed = [of.moved for of in rates.values() if of.moved is not None]
        # what earlier runs show is the same for all, and counts once
        earlier = [of.earlier for of in rates.values() if of.earlier is not None]
        observed += sorted(earlier, key=lambda runs: runs.degrees)[-1:]
        return _Noise(BetweenRuns(squares / max(1.0, degrees), degrees), pooled(observed))

    def least_ratio(self, name: str, first: str, second: str, alpha: float) -> float:
        """Lower bound, with error `alpha`, of the ratio of two contenders' rates over runs.

        Student's of the difference of mean logs, its variance that of repetitions (of all
        contenders together, or of these two where it is more) and that between runs; degrees of
        freedom by Satterthwaite (1946).
        """
        runs = [self._runs[name, key] for key in (first, second)]
        noise = self._noise[name]
        if noise.within.degrees < 1:
            return 0.0
        own = sum(run.squares for run in runs) / max(1, sum(run.count - 1 for run in runs))
        within = max(noise.within.variance, own) * sum(1 / run.count for run in runs)
        between = 2 * noise.between.variance + sum(run.loss for run in runs)
        total = within + between
        degrees = total**2 / (within**2 / noise.within.degrees + between**2 / noise.between.degrees)
        half = t_quantile(degrees, 1 - 2 * alpha) * total**0.5
        return float(np.exp(runs[0].mean - runs[1].mean - half))


def _run(rates: Rates) -> _Run:
    logs = np.log(rates.values)
    mean = float(logs.mean())
    return _Run(mean, float(((logs - mean) ** 2).sum()), len(logs), loss_variance(rates.loss))
