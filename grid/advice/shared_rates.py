"""Decode rates of candidates on several cards and for several sessions, from those of one alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from grid.advice.advice import DECODE, MEMORY, TTFT, Candidate, Figure
from grid.advice.ask import Ask
from grid.advice.hardware import Machine
from grid.advice.sessions import StepParts, session_figure, session_rates
from grid.advice.several_cards import split_factor
from grid.analysis import Limits, Pick, Posterior, Relaxation, Variant
from grid.results.statistics.interval import Floats

if TYPE_CHECKING:
    from grid.advice.candidates import CandidateSet

_TAIL = 0.05


def share_rates(
    posterior: Posterior, candidates: Sequence[Candidate], machine: Machine, ask: Ask
) -> tuple[Posterior, list[Candidate]]:
    """The posterior and the candidates with the decode rate of each session on all cards; as they
    are for one session on one card. Measured rates are of all the cards already."""
    cards = 1 if machine.chip is None else machine.chip.count
    if ask.sessions == 1 and cards == 1:
        return posterior, list(candidates)
    decode = posterior.rates["decode_tps"].copy()
    prefill = posterior.rates["prefill_tps"]
    shared = []
    for i, candidate in enumerate(candidates):
        figure = candidate.figures.get(DECODE)
        if figure is None or np.isnan(decode[:, i]).any():
            shared.append(candidate)
            continue
        draws = np.exp(decode[:, i])
        if cards > 1 and candidate.predicted:
            draws = draws * split_factor(machine.chip, candidate.variant.backend, draws.size)
            figure = _figure(figure, draws)
        if ask.sessions > 1:
            alone = None if np.isnan(prefill[:, i]).any() else np.exp(prefill[:, i])
            parts = step_parts(candidate.variant, ask.context or 0)
            draws = session_rates(draws, alone, ask.sessions, parts)
            figure = session_figure(figure, draws, ask.sessions)
        decode[:, i] = np.log(draws)
        figures = {**candidate.figures, DECODE: figure}
        if ask.sessions > 1:
            figures |= _texts_of_sessions(figures, ask.sessions)
        shared.append(replace(candidate, figures=figures))
    return replace(posterior, rates={**posterior.rates, "decode_tps": decode}), shared


def step_parts(variant: Variant, context: int) -> StepParts:
    """What a step of one session reads, after `context` tokens."""
    from grid.advice.prediction import read_bytes_of

    whole = read_bytes_of(variant, context)
    cache_share = 1.0 - read_bytes_of(variant, 0) / whole if whole else 0.0
    return StepParts(cache_share, _expert_share(variant))


def fewer_sessions(
    candidate_set: CandidateSet, limits: Limits, pick: Pick, ask: Ask
) -> list[Relaxation]:
    """Where memory alone is in the way: how many sessions would fit."""
    steps = []
    for step in [relaxation for relaxation in pick.relax if relaxation.limit == "max_memory_bytes"]:
        candidate = candidate_set.candidate(step.variant)
        if candidate is None or not candidate.kv_bytes or candidate.overhead_bytes is None:
            continue
        each = candidate.kv_bytes / ask.sessions
        free = step.now - candidate.weights_bytes - candidate.overhead_bytes
        count = int(free // each)
        enough = candidate_set.picked(replace(limits, max_memory_bytes=step.to))
        if enough is not None and 1 <= count < ask.sessions:
            text = f"lower sessions from {ask.sessions} to {count} for {step.variant.label}"
            steps.append(Relaxation("sessions", ask.sessions, count, step.variant, text))
    return steps


def _expert_share(variant: Variant) -> float:
    """Share of a mixture's weights that a token uses; 1 for a dense model."""
    read = variant.read_weight_bytes if variant.is_mixture else None
    return 1.0 if not read or not variant.artifact_bytes else read / variant.artifact_bytes


def _texts_of_sessions(figures: Mapping[str, Figure], sessions: int) -> dict[str, Figure]:
    """Memory and time to first token with what they are of."""
    starts = {
        MEMORY: f"for {sessions} sessions, each: ",
        TTFT: "while no other prompt is read: ",
    }
    return {
        name: replace(
            figure, evidence=replace(figure.evidence, text=f"{start}{figure.evidence.text}")
        )
        for name, start in starts.items()
        if (figure := figures.get(name)) is not None
    }


def _figure(figure: Figure, draws: Floats) -> Figure:
    low, value, high = np.quantile(draws, (_TAIL, 0.5, 1 - _TAIL)).tolist()
    return Figure(value, low, high, figure.evidence)
