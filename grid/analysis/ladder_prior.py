"""What is known of a model's own quants before they are asked: more bits do not hurt.

LADDER_METHOD says the prior. It is weak: answers overturn it, and where those of a model fit no
order its quants are compared by their answers alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from grid.analysis.memory import stored_kv_types
from grid.analysis.noise_floors import SIXTEEN_BIT
from grid.analysis.quant_families import quant_family
from grid.analysis.random_streams import stream_of
from grid.analysis.text_draws import text_scope
from grid.analysis.variant import Variant
from grid.results.statistics.interval import Floats

LADDER_METHOD = (
    "Choices and a point's probability also know that more bits do not hurt. Quants of one model "
    "in one engine share a prior: capability falls from one to the next by about 0.3 for each nat "
    "of KL divergence, or within a family (K-quants, I-quants, legacy, ...) of the divergence "
    "that its bits per weight usually cost, where that was not measured on all of them. The scale "
    "is unsure by a factor of 4 either way, a step by 40 %, and how loosely quants keep to the "
    "order is for the answers to say; that the order says nothing has a probability of its own, "
    "which the answers to all models decide. They are weighed against the prior as normal, scale "
    "by scale. Claims and intervals are of the answers alone.\n"
)

LOSS_PER_NAT = 0.3
"""Capability lost per nat. The probability of the right token falls by 0.18 a nat in llama.cpp's
table of Llama-3-8B (43 quants, residual 22 %, power 1.00); tasks lose rather more."""

BITS_POWER, BITS_SCALE = -4.83, 75.5
"""KL divergence, nat, is about BITS_SCALE * bits ** BITS_POWER: fitted on the same table, with a
residual of 32 %."""

LEVEL = 1.0
"""Variance of a model's level, of which nothing is known."""

_JITTER = 1e-10

SCALES = np.exp(np.linspace(-2.8, 4.2, 18))
SCALE_SD = 1.3
"""Multiples of `LOSS_PER_NAT` that models and tasks have, and the deviation of their logs."""
STEP_SD = 0.4
"""Standard deviation of a step from quant to quant, as a share of it."""
LOOSENESS: Mapping[float, float] = {0.1: 0.7, 0.5: 0.2, 1.0: 0.1}
"""By the standard deviation of a quant's loss about its place in the order, as a share of the loss,
the probability of that: some models lose in a task what no divergence shows."""
OUTLIERS: Mapping[float, float] = {0.0: 0.95, 0.03: 0.05}
"""The same, by a deviation in capability."""
UNORDERED = np.array([0.02, 0.05, 0.1, 0.2, 0.4])
"""Standard deviation of a capability, where the order says nothing."""
ORDERED_SHARES: Mapping[float, float] = {0.95: 0.55, 0.5: 0.15, 0.05: 0.3}
"""By the share of models whose ladders are ordered the probability of that share, before any
answer: where the answers of some models fit no order, those of the others are trusted less to."""


@dataclass(frozen=True)
class _Parts:
    """Normal priors of the capabilities of a ladder but for their level, each with its share of
    those that are ordered or of those that are not: shares [p], means [p, n], covariances
    [p, n, n], and the log densities of the answers under each [p]."""

    shares: Floats
    means: Floats
    covariances: Floats
    log_densities: Floats

    @property
    def evidence(self) -> float:
        """Log density of the answers under all of them."""
        return float(np.logaddexp.reduce(np.log(self.shares) + self.log_densities))


@dataclass(frozen=True)
class _Ladder:
    """Variants that share a prior: by rung the places of those of one artifact and the same
    answers, the draws of these answers [draws, rungs] with their covariance [rungs, rungs], and the
    prior where the order holds and where it says nothing."""

    rungs: list[list[int]]
    answers: Floats
    error: Floats
    ordered: _Parts
    unordered: _Parts


def with_ladder_prior(variants: Sequence[Variant], capability: Floats, seed: int) -> Floats:
    """Draws of capability [draws, variants] under the prior, from those of the answers alone.

    Variants of no ladder keep theirs; those of one depend on what else was measured beside them.
    """
    result = capability.copy()
    ladders = [_ladder(variants, capability, rungs) for rungs in _rungs(variants, capability)]
    p_ordered = _ordered_probabilities(ladders)
    for ladder, probability in zip(ladders, p_ordered, strict=True):
        firsts = [places[0] for places in ladder.rungs]
        about = [
            (variants[i].artifact_id, round(float(capability[:, i].mean()), 9)) for i in firsts
        ]
        rng = np.random.default_rng(stream_of(seed, "ladder", variants[firsts[0]].model, *about))
        drawn = np.round(_condition(ladder, probability, rng), 12)
        for column, places in enumerate(ladder.rungs):
            result[:, places] = drawn[:, [column]]
    return result


def _ladder(variants: Sequence[Variant], capability: Floats, rungs: list[list[int]]) -> _Ladder:
    firsts = [places[0] for places in rungs]
    measured = [c.value for i in firsts if (c := variants[i].capability) is not None]
    answers = capability[:, firsts]
    answers = answers + (measured - answers.mean(axis=0))  # without the chance of draws
    usual = _usual_divergences([variants[i] for i in firsts])
    steps = _steps([nats or 0.0 for nats, _ in usual], [family for _, family in usual])
    center = answers.mean(axis=0)
    error = np.atleast_2d(np.cov(answers, rowvar=False)) + _JITTER * np.eye(len(firsts))
    return _Ladder(rungs, answers, error, _ordered(steps, center, error), _unordered(center, error))


def _ordered_probabilities(ladders: Sequence[_Ladder]) -> list[float]:
    """Of each ladder, given the answers to all of them."""
    evidence = np.array([[x.ordered.evidence, x.unordered.evidence] for x in ladders])
    evidence = evidence.reshape(-1, 2)
    shares = np.array(list(ORDERED_SHARES))
    in_order, out_of_order = (
        np.log(part)[None, :] + evidence[:, [column]]
        for column, part in ((0, shares), (1, 1 - shares))
    )
    either = np.logaddexp(in_order, out_of_order)
    of_share = np.log(list(ORDERED_SHARES.values())) + either.sum(axis=0)
    of_share = np.exp(of_share - np.logaddexp.reduce(of_share))
    return [float(p) for p in np.exp(in_order - either) @ of_share]


def _rungs(variants: Sequence[Variant], capability: Floats) -> list[list[list[int]]]:
    """Places of the variants that share a prior; those of one artifact and the same answers stand
    together."""
    groups: defaultdict[tuple[object, ...], dict[tuple[str, bytes], list[int]]] = defaultdict(dict)
    for i, variant in enumerate(variants):
        if variant.capability is None or variant.lacks_uncertainty:
            continue
        key = (variant.model, variant.backend, variant.origin, *stored_kv_types(variant.options))
        entry = (variant.artifact_id, np.ascontiguousarray(capability[:, i]).tobytes())
        groups[key].setdefault(entry, []).append(i)
    ladders = []
    for _, group in sorted(groups.items()):
        members = [places for _, places in sorted(group.items())]
        usual = _usual_divergences([variants[places[0]] for places in members])
        able = [
            places for places, (nats, _) in zip(members, usual, strict=True) if nats is not None
        ]
        if len(able) > 1:
            ladders.append(able)
    return ladders


def _usual_divergences(ladder: Sequence[Variant]) -> list[tuple[float | None, str]]:
    """Of each variant the divergence from 16 bits, nat, and the family within which it orders: as
    measured, where it was on one text for all; else what their bits usually cost, None where these
    are not known."""
    quantized = [v for v in ladder if v.quant.upper() not in SIXTEEN_BIT]
    scopes = {text_scope(variant, "kld_mean") for variant in quantized}
    if len(scopes) == 1 and None not in scopes:
        return [
            (0.0 if v.matches_16_bits or v.kld_mean is None else v.kld_mean.value, "")
            for v in ladder
        ]
    whole = next((v.artifact_bytes for v in ladder if v.sixteen_bit), 0)
    return [(_usual_divergence(variant, whole), quant_family(variant)) for variant in ladder]


def _usual_divergence(variant: Variant, whole_bytes: int) -> float | None:
    if variant.quant.upper() in SIXTEEN_BIT:
        return 0.0
    bits = variant.bpw_file
    if bits is None and whole_bytes:
        bits = 16 * variant.artifact_bytes / whole_bytes
    return None if not bits else BITS_SCALE * min(max(bits, 1.5), 16.0) ** BITS_POWER


def _steps(divergence: Sequence[float], families: Sequence[str]) -> Floats:
    """Capability usually lost from each variant of a family to the next: [variants, steps], of
    which a variant has lost the sum of its row."""
    n = len(divergence)
    steps = np.zeros((n, n))
    for family in set(families):
        members = sorted((d, i) for i, d in enumerate(divergence) if families[i] == family)
        before = 0.0
        for rank, (nats, i) in enumerate(members):
            for _, later in members[rank:]:
                steps[later, i] = LOSS_PER_NAT * (nats - before)
            before = nats
    return steps


def _ordered(steps: Floats, center: Floats, error: Floats) -> _Parts:
    """The prior of an ordered ladder, by scale and by how loosely it is ordered."""
    losses, identity = steps.sum(axis=1), np.eye(len(steps))
    usual = np.exp(-0.5 * (np.log(SCALES) / SCALE_SD) ** 2)
    usual /= usual.sum()
    parts = [
        (
            p_loose * p_outlier * usual,
            -SCALES[:, None] * losses,
            SCALES[:, None, None] ** 2 * (STEP_SD**2 * steps @ steps.T + np.diag(own * losses) ** 2)
            + outlier**2 * identity,
        )
        for own, p_loose in LOOSENESS.items()
        for outlier, p_outlier in OUTLIERS.items()
    ]
    shares, means, covariances = (np.concatenate(part) for part in zip(*parts, strict=True))
    return _parts(shares, means, covariances, center, error)


def _unordered(center: Floats, error: Floats) -> _Parts:
    size = len(center)
    covariances = UNORDERED[:, None, None] ** 2 * np.eye(size)
    shares = np.full(len(UNORDERED), 1 / len(UNORDERED))
    return _parts(shares, np.zeros((len(UNORDERED), size)), covariances, center, error)


def _parts(
    shares: Floats, means: Floats, covariances: Floats, center: Floats, error: Floats
) -> _Parts:
    """With the means at the level that was measured, and the densities of what was: the answers'
    mean [n] with its covariance [n, n]."""
    deviations = center - means
    deviations -= deviations.mean(axis=1, keepdims=True)
    roots = np.linalg.cholesky(covariances + LEVEL + error)
    scaled = np.linalg.solve(roots, deviations[:, :, None])[:, :, 0]
    logs = -0.5 * (scaled**2).sum(axis=1)
    logs -= np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(axis=1)
    return _Parts(shares, center - deviations, covariances, logs)


def _condition(ladder: _Ladder, p_ordered: float, rng: np.random.Generator) -> Floats:
    """Draws [draws, rungs] of the prior given the draws of the answers."""
    answers, error, (draws, n) = ladder.answers, ladder.error, ladder.answers.shape
    halves = ((ladder.ordered, p_ordered), (ladder.unordered, 1 - p_ordered))
    weights = np.concatenate(
        [p * part.shares * np.exp(part.log_densities - part.evidence) for part, p in halves]
    )
    means, covariances = (
        np.concatenate([getattr(part, name) for part, _ in halves])
        for name in ("means", "covariances")
    )
    of_draw = rng.choice(len(weights), draws, p=weights / weights.sum())
    normal = rng.standard_normal((draws, n + 1))
    result = np.empty_like(answers)
    for place in np.unique(of_draw).tolist():
        rows = of_draw == place
        covariance = covariances[place] + LEVEL
        gain = np.linalg.solve(covariance + error, covariance).T
        root = np.linalg.cholesky(covariances[place] + _JITTER * np.eye(n))
        prior = means[place] + normal[rows, :1] + normal[rows, 1:] @ root.T
        result[rows] = prior + (answers[rows] - prior) @ gain.T
    return result
