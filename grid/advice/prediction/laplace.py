"""A hierarchical regression of log times: MAP by Gauss-Newton, and draws by Laplace.

The model of row i is -log(rate_i) = logsumexp_k(offset_ik + X_k[i] . effects) + noise: a time that
is a sum of parts, each part a product of a known size and effects. Effects have normal priors. Two
scales are not known beforehand, that of the noise and that of the pooled effects (how much like
classes differ); they lie on a grid, weighted by the Laplace approximation of their evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import numpy.typing as npt

from grid.results.statistics.interval import Floats

NOISES = (0.015, 0.025, 0.04, 0.065, 0.1, 0.16)
"""Standard deviations of a log rate around the model: repetitions, builds, what it leaves out."""
SCALES = (0.75, 1.0, 1.5, 2.25)
"""Factors on the standard deviations of pooled effects."""
_NOISE_PRIOR, _SCALE_PRIOR = (np.log(0.04), 0.6), (0.0, 0.5)
_STEPS, _TOLERANCE, _LONGEST_STEP = 60, 1e-3, 2.0
TAILS = 4.0
"""Degrees of freedom of the t distribution of a row around the model: strangers' rows have
outliers."""
_SCATTER_FITS = 3
_UNLIKELY = 6.0
"""Log evidence below the best one at which a noise is not looked at further."""


@dataclass(frozen=True)
class Part:
    """One summand of the time: log sizes [n] and which effects multiply it, [n, p]."""

    offset: Floats
    design: Floats


@dataclass(frozen=True)
class Regression:
    """Rows to fit. `log_times` are observed [n], `extra` the standard deviations by which some are
    noisier than the rest [n]; priors of the p effects are [p] each."""

    parts: tuple[Part, ...]
    log_times: Floats
    extra: Floats
    mean: Floats
    sd: Floats
    pooled: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Draws:
    """Joint posterior draws: `effects` [n, p], and each draw's own `noise` and `scale`, [n]."""

    effects: Floats
    noise: Floats
    scale: Floats


@dataclass(frozen=True)
class _Fit:
    mode: Floats
    factor: Floats  # upper triangular, precision = factor.T @ factor
    evidence: float
    noise: float
    scale: float


def posterior_draws(regression: Regression, count: int, seed: int) -> Draws:
    """`count` draws; the same ones for the same regression and seed."""
    with one_thread():
        return _draws(_grid(regression), regression, count, np.random.default_rng(seed))


def prior_residuals(
    regression: Regression, noise: float, scale: float, start: Floats
) -> tuple[Floats, Floats]:
    """Log times [n] less what the priors alone expect of them, and their covariance [n, n] by
    priors and noise, of the model that is linear at its mode; `start` [p] is near it."""
    with one_thread():
        fit = _fit(regression, noise, scale, start)
    spread = np.hypot(noise, regression.extra)
    residuals, jacobian, weights = _linear(regression, fit.mode, spread)
    sd = np.where(regression.pooled, scale * regression.sd, regression.sd)
    covariance = (jacobian * sd**2) @ jacobian.T + np.diag(1 / weights)
    return residuals + jacobian @ (fit.mode - regression.mean), covariance


def group_scatter(regression: Regression, groups: Sequence[str], usual: float) -> Floats:
    """Standard deviation by which the rows of each group scatter more than `usual` [n].

    Squared residuals over 1 - leverage are unbiased for a row's variance; a group's mean of them is
    shrunk where there are few. The result widens the next fit, three times over.
    """
    if not groups:
        return regression.extra
    place = np.unique(np.array(groups), return_inverse=True)[1]
    counts = np.bincount(place)
    with one_thread():
        start = regression.mean
        for _ in range(_SCATTER_FITS):
            fit = _fit(regression, usual, 1.0, start)
            start = fit.mode
            excess = np.bincount(place, _variances(regression, fit) - usual**2) / (counts + 1)
            regression = replace(regression, extra=np.sqrt(np.maximum(excess, 0.0))[place])
    return regression.extra


def one_thread() -> AbstractContextManager[object]:
    """The matrices here are small: threads that wait for one another take ten times as long."""
    from threadpoolctl import threadpool_limits

    return cast(AbstractContextManager[object], threadpool_limits(limits=1))


def _variances(regression: Regression, fit: _Fit) -> Floats:
    """An estimate of each row's variance [n]; an outlier counts less."""
    spread = np.hypot(fit.noise, regression.extra)
    residuals, jacobian, weights = _linear(regression, fit.mode, spread)
    whitened = np.linalg.solve(fit.factor.T, jacobian.T)
    leverage = (whitened**2).sum(axis=0) * weights
    squares = weights * spread**2 * residuals**2
    return np.asarray(squares / np.maximum(1 - leverage, 0.05))


def _draws(
    fits: Sequence[_Fit], regression: Regression, count: int, rng: np.random.Generator
) -> Draws:
    logs = np.array([fit.evidence for fit in fits])
    weights = np.exp(logs - logs.max())
    picked = np.sort(rng.choice(len(fits), size=count, p=weights / weights.sum()))
    normal = rng.standard_normal((count, regression.mean.size))
    effects = np.empty_like(normal)
    for index in np.unique(picked):
        mine = picked == index
        effects[mine] = fits[index].mode + np.linalg.solve(fits[index].factor, normal[mine].T).T
    order = rng.permutation(count)
    return Draws(
        effects[order],
        np.array([fits[index].noise for index in picked])[order],
        np.array([fits[index].scale for index in picked])[order],
    )


def _grid(regression: Regression) -> list[_Fit]:
    """A fit at each point of the grid that may matter: scales only where the noise is likely."""
    fits: dict[tuple[float, float], _Fit] = {}
    start = regression.mean
    for noise in reversed(NOISES):  # the smoothest first; each starts where the last one ended
        fits[noise, 1.0] = _fit(regression, noise, 1.0, start)
        start = fits[noise, 1.0].mode
        best = max(fit.evidence for fit in fits.values())
        if fits[noise, 1.0].evidence < best - _UNLIKELY:
            break  # past the best one it only falls
    likely = [fit for fit in fits.values() if fit.evidence >= best - _UNLIKELY]
    for middle in likely:
        noise = middle.noise
        for scale in SCALES:
            if scale != 1.0:
                fits[noise, scale] = _fit(regression, noise, scale, middle.mode)
    return list(fits.values())


def _fit(regression: Regression, noise: float, scale: float, start: Floats) -> _Fit:
    spread = np.hypot(noise, regression.extra)
    sd = np.where(regression.pooled, scale * regression.sd, regression.sd)
    effects = start.copy()
    loss = _loss(regression, effects, spread, sd)
    for _ in range(_STEPS):
        residuals, jacobian, weights = _linear(regression, effects, spread)
        weighted = jacobian * weights[:, None]
        precision = jacobian.T @ weighted + np.diag(sd**-2.0)
        pull = weighted.T @ residuals
        pull -= (effects - regression.mean) / sd**2
        step = np.linalg.solve(precision, pull)
        step *= min(1.0, _LONGEST_STEP / max(float(np.abs(step).max(initial=0.0)), 1e-300))
        effects, loss, moved = _descend(
            regression, effects, np.asarray(step, float), loss, spread, sd
        )
        if moved < _TOLERANCE:
            break
    _, jacobian, weights = _linear(regression, effects, spread)
    precision = jacobian.T @ (jacobian * weights[:, None]) + np.diag(sd**-2.0)
    factor = np.asarray(np.linalg.cholesky(precision).T, float)
    evidence = -loss - float(np.log(np.diag(factor)).sum() + np.log(sd).sum())
    evidence -= float(np.log(spread).sum())
    evidence -= _prior(noise, _NOISE_PRIOR) + _prior(scale, _SCALE_PRIOR)
    return _Fit(effects, factor, evidence, noise, scale)


def _linear(
    regression: Regression, effects: Floats, spread: Floats
) -> tuple[Floats, Floats, Floats]:
    """Residuals [n], derivatives [n, p] and weights [n]: 1 / variance, less for a row far off."""
    predicted, jacobian = log_time(regression.parts, effects)
    residuals = regression.log_times - predicted
    return residuals, jacobian, np.asarray(_weights(residuals / spread) / spread**2, float)


def _weights(misfit: Floats) -> Floats:
    """Of a row that is `misfit` standard deviations off, by Student's t."""
    return np.asarray((TAILS + 1) / (TAILS + misfit**2))


def _descend(
    regression: Regression, effects: Floats, step: Floats, loss: float, spread: Floats, sd: Floats
) -> tuple[Floats, float, float]:
    """Effects after the step, halved until it does not lead uphill; the loss, and its fall."""
    for _ in range(12):
        reached = effects + step
        new = _loss(regression, reached, spread, sd)
        if new <= loss:
            return reached, new, loss - new
        step = step / 2
    return effects, loss, 0.0


def _loss(regression: Regression, effects: Floats, spread: Floats, sd: Floats) -> float:
    predicted = np.logaddexp.reduce(_log_parts(regression.parts, effects), axis=0)
    misfit = (regression.log_times - predicted) / spread
    tails = (TAILS + 1) * np.log1p(misfit**2 / TAILS)
    return float(tails.sum() + (((effects - regression.mean) / sd) ** 2).sum()) / 2


def _prior(value: float, prior: tuple[float, float]) -> float:
    return float(((np.log(value) - prior[0]) / prior[1]) ** 2) / 2


def log_time(parts: tuple[Part, ...], effects: Floats) -> tuple[Floats, Floats]:
    """Log times [n] at effects [p], and their derivatives [n, p]."""
    logs = _log_parts(parts, effects)
    total = np.logaddexp.reduce(logs, axis=0)
    shares = np.exp(logs - total)
    jacobian = sum(share[:, None] * part.design for share, part in zip(shares, parts, strict=True))
    return total, np.asarray(jacobian)


def _log_parts(parts: tuple[Part, ...], effects: Floats) -> Floats:
    return np.stack([part.offset + part.design @ effects for part in parts])
