"""What is known of a model's own quants before they are asked: more bits do not hurt.

LADDER_METHOD says the prior. It is weak: answers overturn it, and where those of a model fit no
order its quants are compared by their answers alone.
"""

from __future__ import annotations

import math
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
    "Quants of one model in one engine share a prior: none gains by fewer bits within its family "
    "(K-quants, I-quants, legacy, ...), and capability falls from quant to quant by about 0.2 per "
    "nat of KL divergence, or where that was not measured on all of them, of the divergence that "
    "their bits per weight usually cost (both fitted on the public table of Llama-3-8B); the whole "
    "scale is unsure by a factor of 3 either way, each step by 40 %. With probability 0.1 their "
    "order says nothing. The answers weigh these against each other: normal draws of the prior are "
    "conditioned on the bootstrap's (Kalman gain, one a scale)."
)

LOSS_PER_NAT = 0.3
"""Capability lost per nat. The probability of the right token falls by 0.18 a nat in llama.cpp's
table of Llama-3-8B (43 quants, residual 22 %, power 1.00), tasks lose up to twice that."""

BITS_POWER, BITS_SCALE = -4.83, 75.5
"""KL divergence, nat, is about BITS_SCALE * bits ** BITS_POWER: fitted on the same table, with a
residual of 32 %."""

LEVEL = 1.0
"""Variance of a model's level, of which nothing is known."""

_JITTER = 1e-10

SCALES = np.exp(np.linspace(-2.4, 2.4, 13))
SCALE_SD = 1.1
STEP_SD = 0.4
OWN_SD = 0.1
OUTLIERS = 0.03
"""Standard deviation of a capability, where single quants are out of order."""
UNORDERED = np.array([0.02, 0.05, 0.1, 0.2, 0.4])
"""The same, where the order says nothing."""
P_OUTLIERS = 0.05
ORDERED_SHARES: Mapping[float, float] = {0.95: 0.55, 0.5: 0.15, 0.05: 0.3}
"""By the share of models whose ladders are ordered the probability of that share, before any
answer: where the answers of some models fit no order, those of the others are trusted less to."""


@dataclass(frozen=True)
class _Component:
    """A normal prior of the capabilities of a ladder but for their level: its share of those that
    are `ordered` or are not, mean [n], covariance [n, n]."""

    share: float
    ordered: bool
    mean: Floats
    covariance: Floats


@dataclass(frozen=True)
class _Ladder:
    """Variants that share a prior: by rung the places of those of one artifact and the same
    answers, the draws of these answers [draws, rungs], and the parts of the prior with the log
    density of the answers under each."""

    rungs: list[list[int]]
    answers: Floats
    components: list[_Component]
    log_densities: Floats

    def evidence(self, ordered: bool) -> float:
        """Log density of the answers where the ladder is ordered, or is not."""
        logs = [
            math.log(c.share) + log
            for c, log in zip(self.components, self.log_densities.tolist(), strict=True)
            if c.ordered == ordered
        ]
        return float(np.logaddexp.reduce(logs))


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
        drawn = _condition(ladder, probability, rng)
        for column, places in enumerate(ladder.rungs):
            result[:, places] = drawn[:, [column]]
    return np.round(result, 12)


def _ladder(variants: Sequence[Variant], capability: Floats, rungs: list[list[int]]) -> _Ladder:
    firsts = [places[0] for places in rungs]
    answers = capability[:, firsts]
    usual = _usual_divergences([variants[i] for i in firsts])
    components = _components(_steps([nats or 0.0 for nats, _ in usual], [f for _, f in usual]))
    error = _error(answers)
    logs = [
        _log_density(answers.mean(axis=0) - _leveled(c, answers), c.covariance + LEVEL + error)
        for c in components
    ]
    return _Ladder(rungs, answers, components, np.array(logs))


def _ordered_probabilities(ladders: Sequence[_Ladder]) -> list[float]:
    """Of each ladder, given the answers to all of them."""
    evidence = np.array([[x.evidence(True), x.evidence(False)] for x in ladders]).reshape(-1, 2)
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


def _components(steps: Floats) -> list[_Component]:
    """The normal parts of the prior."""
    losses, one = steps.sum(axis=1), np.eye(len(steps))
    shape = STEP_SD**2 * steps @ steps.T + np.diag((OWN_SD * losses) ** 2)
    usual = np.exp(-0.5 * (np.log(SCALES) / SCALE_SD) ** 2)
    parts = [
        _Component(p * w, True, -scale * losses, scale**2 * shape + sd**2 * one)
        for p, sd in ((1 - P_OUTLIERS, 0.0), (P_OUTLIERS, OUTLIERS))
        for scale, w in zip(SCALES, usual / usual.sum(), strict=True)
    ]
    share = 1 / len(UNORDERED)
    return parts + [_Component(share, False, 0 * losses, sd**2 * one) for sd in UNORDERED]


def _condition(ladder: _Ladder, p_ordered: float, rng: np.random.Generator) -> Floats:
    """Draws [draws, rungs] of the prior given the draws of the answers."""
    answers, (draws, n) = ladder.answers, ladder.answers.shape
    error = _error(answers)
    logs = ladder.log_densities + [
        math.log(c.share) - ladder.evidence(c.ordered) for c in ladder.components
    ]
    weights = np.exp(logs) * [p_ordered if c.ordered else 1 - p_ordered for c in ladder.components]
    of_draw = rng.choice(len(weights), draws, p=weights / weights.sum())
    normal = rng.standard_normal((draws, n + 1))
    result = np.empty_like(answers)
    for place in np.unique(of_draw).tolist():
        rows, component = of_draw == place, ladder.components[place]
        covariance = component.covariance + LEVEL
        gain = np.linalg.solve(covariance + error, covariance).T
        root = np.linalg.cholesky(component.covariance + _JITTER * np.eye(n))
        prior = _leveled(component, answers) + normal[rows, :1] + normal[rows, 1:] @ root.T
        result[rows] = prior + (answers[rows] - prior) @ gain.T
    return result


def _error(answers: Floats) -> Floats:
    """Covariance of the answers' draws [rungs, rungs]."""
    return np.atleast_2d(np.cov(answers, rowvar=False)) + _JITTER * np.eye(answers.shape[1])


def _leveled(component: _Component, answers: Floats) -> Floats:
    """The mean at the level that was measured [rungs]."""
    return np.asarray(component.mean + (answers.mean(axis=0) - component.mean).mean())


def _log_density(deviation: Floats, covariance: Floats) -> float:
    root = np.linalg.cholesky(covariance)
    scaled = np.linalg.solve(root, deviation)
    return float(-0.5 * scaled @ scaled - np.log(np.diag(root)).sum())
