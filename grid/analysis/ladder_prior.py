"""What is known of a model's own quants before they are asked: more bits do not hurt.

LADDER_METHOD says the prior. It is weak: answers overturn it, and where those of a model fit no
order its quants are compared by their answers alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grid.analysis.ladder_states import (
    LEVEL,
    LadderEvidence,
    LadderState,
    ladder_states,
    state_probabilities,
)
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
    "order is for the answers to say. That the first quants lose exactly nothing, and that the "
    "order says nothing (each quant by itself, or the usual losses in a random order), each have a "
    "probability, which the answers to all models decide. They are weighed against the prior as "
    "normal, scale by scale. Claims and intervals are of the answers alone.\n"
)

BITS_POWER, BITS_SCALE = -4.83, 75.5
"""KL divergence, nat, is about BITS_SCALE * bits ** BITS_POWER: fitted on the same table, with a
residual of 32 %."""

_JITTER = 1e-10


@dataclass(frozen=True)
class _Ladder:
    """Variants that share a prior: by rung the places of those of one artifact and the same
    answers, the draws of these answers [draws, rungs] with their covariance [rungs, rungs], and how
    the rungs may lie."""

    rungs: list[list[int]]
    answers: Floats
    error: Floats
    states: Sequence[LadderState]


def with_ladder_prior(variants: Sequence[Variant], capability: Floats, seed: int) -> Floats:
    """Draws of capability [draws, variants] under the prior, from those of the answers alone.

    Variants of no ladder keep theirs; those of one depend on what else was measured beside them.
    """
    result = capability.copy()
    ladders = [_ladder(variants, capability, rungs) for rungs in _rungs(variants, capability)]
    probabilities = state_probabilities([ladder.states for ladder in ladders])
    for ladder, of_states in zip(ladders, probabilities, strict=True):
        firsts = [places[0] for places in ladder.rungs]
        about = [
            (variants[i].artifact_id, round(float(capability[:, i].mean()), 9)) for i in firsts
        ]
        rng = np.random.default_rng(stream_of(seed, "ladder", variants[firsts[0]].model, *about))
        drawn = np.round(_condition(ladder, of_states, rng), 12)
        for column, places in enumerate(ladder.rungs):
            result[:, places] = drawn[:, [column]]
    return result


def _ladder(variants: Sequence[Variant], capability: Floats, rungs: list[list[int]]) -> _Ladder:
    firsts = [places[0] for places in rungs]
    measured = [c.value for i in firsts if (c := variants[i].capability) is not None]
    answers = capability[:, firsts]
    answers = answers + (measured - answers.mean(axis=0))  # without the chance of draws
    usual = _usual_divergences([variants[i] for i in firsts])
    center = answers.mean(axis=0)
    error = np.atleast_2d(np.cov(answers, rowvar=False)) + _JITTER * np.eye(len(firsts))
    divergences, families = [nats or 0.0 for nats, _ in usual], [family for _, family in usual]
    states = ladder_states(LadderEvidence(divergences, families, center, error))
    return _Ladder(rungs, answers, error, states)


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


def _condition(ladder: _Ladder, of_states: Floats, rng: np.random.Generator) -> Floats:
    """Draws [draws, rungs] of the prior given the draws of the answers; `of_states` are the
    probabilities of the ladder's states."""
    answers, error, (draws, n) = ladder.answers, ladder.error, ladder.answers.shape
    weights = np.concatenate(
        [
            probability * state.shares * np.exp(state.log_densities - state.evidence)
            for state, probability in zip(ladder.states, of_states.tolist(), strict=True)
        ]
    )
    means, covariances, tied = (
        np.concatenate([getattr(state, name) for state in ladder.states])
        for name in ("means", "covariances", "tied")
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
        drawn = prior + (answers[rows] - prior) @ gain.T
        alike = np.flatnonzero(tied[place])
        drawn[:, alike] = drawn[:, alike[:1]]
        result[rows] = drawn
    return result
