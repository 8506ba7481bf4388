"""How the quants of one model may lie: each losing more than the one before, the first of them
losing nothing, or in no order; each a mixture of normal priors, weighed by the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from grid.results.statistics.interval import Floats

LOSS_PER_NAT = 0.3
"""Capability lost per nat. The probability of the right token falls by 0.18 a nat in llama.cpp's
table of Llama-3-8B (43 quants, residual 22 %, power 1.00); tasks lose rather more."""

LEVEL = 1.0
"""Variance of a model's level, of which nothing is known."""

SCALES = np.exp(np.linspace(-2.8, 4.2, 18))
SCALE_SD = 1.3
"""Multiples of `LOSS_PER_NAT` that models and tasks have, and the deviation of their logs."""
_FEW_SCALES = SCALES[::3]
STEP_SD = 0.4
"""Standard deviation of a step from quant to quant, as a share of it."""
LOOSENESS: Mapping[float, float] = {0.1: 0.7, 0.5: 0.2, 1.0: 0.1}
"""By the standard deviation of a quant's loss about its place in the order, as a share of the loss,
the probability of that: some models lose in a task what no divergence shows."""
_LOOSENESS_BELOW_TIES = 0.3
OUTLIERS: Mapping[float, float] = {0.0: 0.95, 0.03: 0.05}
"""The same, by a deviation in capability."""
EDGES = 6
"""Places, at most, from which on a ladder may begin to lose."""
UNORDERED = np.array([0.02, 0.05, 0.1, 0.2, 0.4])
"""Standard deviation of a capability, where the order says nothing."""
DEALT, DEALS = 0.7, 30
"""Share of ladders without order in which the usual losses fall on quants at random, and the random
orders that stand for all: only the order tells such a ladder from an ordered one."""
_DEALT_LOOSENESS, _DEALT_OUTLIER = 0.5, 0.001

ORDERED_SHARES: Mapping[float, float] = {0.98: 0.72, 0.5: 0.05, 0.02: 0.23}
"""By the share of models whose ladders are ordered the probability of that share, before any
answer: where the answers of some models fit no order, those of the others are trusted less to."""
TIED_SHARES: Mapping[float, float] = {0.02: 0.92, 0.9: 0.08}
"""The same of the share of ordered ladders whose first quants lose nothing."""


@dataclass(frozen=True)
class LadderState:
    """Normal priors of the capabilities of a ladder but for their level: shares [p], means [p, n],
    covariances [p, n, n], the log densities of the answers under each [p], and which quants are
    exactly alike [p, n]."""

    shares: Floats
    means: Floats
    covariances: Floats
    log_densities: Floats
    tied: npt.NDArray[np.bool_]

    @property
    def evidence(self) -> float:
        """Log density of the answers under all of them."""
        return float(np.logaddexp.reduce(np.log(self.shares) + self.log_densities))


@dataclass(frozen=True)
class LadderEvidence:
    """Quants by what they usually lose: divergences, nat, and the families within which these
    order; with the mean of their answers [n] and its covariance [n, n]."""

    divergences: Sequence[float]
    families: Sequence[str]
    center: Floats
    error: Floats

    @property
    def size(self) -> int:
        return len(self.divergences)


def ladder_states(ladder: LadderEvidence) -> tuple[LadderState, LadderState, LadderState]:
    """The ladder where each quant loses more than the one before, where the first lose nothing, and
    where the order says nothing."""
    return _ordered(ladder), _tied(ladder), _unordered(ladder)


def state_probabilities(ladders: Sequence[Sequence[LadderState]]) -> Floats:
    """Of each ladder's states, given the answers to all ladders: [ladders, 3]."""
    worlds = {
        (order * (1 - tie), order * tie, 1 - order): p_order * p_tie
        for order, p_order in ORDERED_SHARES.items()
        for tie, p_tie in TIED_SHARES.items()
    }
    evidence = np.array([[state.evidence for state in states] for states in ladders])
    joint = np.log(list(worlds))[:, None, :] + evidence.reshape(-1, 3)  # [worlds, ladders, 3]
    of_ladder = np.logaddexp.reduce(joint, axis=2)
    of_world = np.log(list(worlds.values())) + of_ladder.sum(axis=1)
    of_world = np.exp(of_world - np.logaddexp.reduce(of_world))
    return np.asarray(np.einsum("w,wls->ls", of_world, np.exp(joint - of_ladder[:, :, None])))


def _ordered(ladder: LadderEvidence) -> LadderState:
    """By scale and by how loosely it is ordered."""
    steps = _steps(ladder.divergences, ladder.families)
    losses, identity = steps.sum(axis=1), np.eye(ladder.size)
    usual = _usual(SCALES)
    parts = [
        (
            p_loose * p_outlier * usual,
            -SCALES[:, None] * losses,
            _step_covariances(SCALES, steps, own) + outlier**2 * identity,
        )
        for own, p_loose in LOOSENESS.items()
        for outlier, p_outlier in OUTLIERS.items()
    ]
    return _state(ladder, *(np.concatenate(part) for part in zip(*parts, strict=True)))


def _tied(ladder: LadderEvidence) -> LadderState:
    """By scale and by how many quants lose nothing."""
    distinct = sorted({0.0, *ladder.divergences})
    places = np.unique(np.linspace(min(1, len(distinct) - 1), len(distinct) - 1, EDGES).astype(int))
    usual = _usual(_FEW_SCALES)
    parts, tied = [], []
    for place in places.tolist():
        beyond = np.maximum(0.0, np.array(ladder.divergences) - distinct[place])
        steps = _steps(beyond.tolist(), ladder.families)
        parts.append(
            (
                usual / len(places),
                -_FEW_SCALES[:, None] * steps.sum(axis=1),
                _step_covariances(_FEW_SCALES, steps, _LOOSENESS_BELOW_TIES),
            )
        )
        tied.append(np.tile(beyond == 0, (len(usual), 1)))
    state = _state(ladder, *(np.concatenate(part) for part in zip(*parts, strict=True)))
    return replace(state, tied=np.concatenate(tied))


def _unordered(ladder: LadderEvidence) -> LadderState:
    """Each quant by itself, or the usual losses dealt to quants at random."""
    size, usual = ladder.size, _usual(_FEW_SCALES)
    rng = np.random.default_rng(size)
    losses = LOSS_PER_NAT * np.array(ladder.divergences)
    deals = np.array([rng.permutation(losses) for _ in range(DEALS)])
    dealt = -(_FEW_SCALES[:, None, None] * deals).reshape(-1, size)
    identity = np.eye(size)
    own = (_DEALT_LOOSENESS * dealt[:, :, None]) ** 2 * identity + _DEALT_OUTLIER**2 * identity
    apart = UNORDERED[:, None, None] ** 2 * identity
    alone = np.full(len(UNORDERED), (1 - DEALT) / len(UNORDERED))
    return _state(
        ladder,
        np.concatenate([alone, np.repeat(DEALT * usual / DEALS, DEALS)]),
        np.concatenate([np.zeros((len(UNORDERED), size)), dealt]),
        np.concatenate([apart, own]),
    )


def _usual(scales: Floats) -> Floats:
    """The probability of each scale."""
    usual = np.exp(-0.5 * (np.log(scales) / SCALE_SD) ** 2)
    return np.asarray(usual / usual.sum())


def _step_covariances(scales: Floats, steps: Floats, looseness: float) -> Floats:
    """Of ladders whose steps are unsure, each quant loosely in its place: [scales, n, n]."""
    own = np.diag(looseness * steps.sum(axis=1)) ** 2
    return np.asarray(scales[:, None, None] ** 2 * (STEP_SD**2 * steps @ steps.T + own))


def _steps(divergences: Sequence[float], families: Sequence[str]) -> Floats:
    """Capability usually lost from each quant of a family to the next: [quants, steps], of which a
    quant has lost the sum of its row."""
    n = len(divergences)
    steps = np.zeros((n, n))
    for family in set(families):
        members = sorted((d, i) for i, d in enumerate(divergences) if families[i] == family)
        before = 0.0
        for rank, (nats, i) in enumerate(members):
            for _, later in members[rank:]:
                steps[later, i] = LOSS_PER_NAT * (nats - before)
            before = nats
    return steps


def _state(
    ladder: LadderEvidence, shares: Floats, means: Floats, covariances: Floats
) -> LadderState:
    """With the means at the level that was measured, and the densities of what was."""
    deviations = ladder.center - means
    deviations -= deviations.mean(axis=1, keepdims=True)
    roots = np.linalg.cholesky(covariances + LEVEL + ladder.error)
    scaled = np.linalg.solve(roots, deviations[:, :, None])[:, :, 0]
    logs = -0.5 * (scaled**2).sum(axis=1)
    logs -= np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(axis=1)
    tied = np.zeros(means.shape, dtype=bool)
    return LadderState(shares, ladder.center - deviations, covariances, logs, tied)
