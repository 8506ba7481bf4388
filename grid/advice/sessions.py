"""Several sessions at once: what batched decoding leaves each of them, predicted from one session.

A step of N sessions reads the weights once and each session's cache, and computes N tokens:

    seconds = weights (1 + switch) + N caches + (N - 1) work / prefill rate

Leaving the kernels for one token costs `switch`; a token of a batch costs `work` times what one of
a long prompt does. Of a mixture of experts N tokens read more experts than one; since their routes
are alike, `routes` / sqrt(N) of what independent ones would read more. Medians and spreads are
from llama.cpp's published batched runs of three models on a GB10 (its `benches/dgx-spark.md`:
Qwen2.5-Coder-7B, gpt-oss-20b and -120b); others are held against them in the tests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from grid.advice.advice import PREDICTED, Evidence, Figure
from grid.analysis.figures import rate
from grid.analysis.memory import Footprint
from grid.analysis.random_streams import stream_of
from grid.results.statistics.interval import Floats

SWITCH, WORK, ROUTES = (0.08, 0.9), (2.0, 0.5), (1.2, 0.35)
"""Median, and standard deviation of the log, of what is not known of an engine's batches."""

UNKNOWN_WORK = (0.1, 1.0)
"""The same of a further session's share of a step where no prefill rate is known."""

_TAIL = 0.05
_SEED = 31


@dataclass(frozen=True)
class StepParts:
    """What of a single session's step is reading the cache (`cache_share`, 0 to 1), and of all
    weights that a token may use the share that it uses (`active_share`, 1 but for mixtures)."""

    cache_share: float
    active_share: float = 1.0


def session_rates(
    decode: Floats, prefill: Floats | None, sessions: int, parts: StepParts
) -> Floats:
    """Token/s of each of `sessions` sessions, draws [n], from those of one alone: decode rate and
    prefill rate [n], None where that is not known. The same uncertainty for every model."""
    if sessions == 1:
        return decode
    alone = 1.0 / decode
    further = sessions - 1
    weights = alone * (1.0 - parts.cache_share) * _weights_factor(decode.size, sessions, parts)
    caches = alone * parts.cache_share * sessions
    if prefill is None:
        work = further * alone * _factor("unknown work", UNKNOWN_WORK, decode.size)
    else:
        work = further * np.maximum(1.0, _factor("work", WORK, decode.size)) / prefill
    return np.asarray(1.0 / (weights + caches + work))


def _weights_factor(draws: int, sessions: int, parts: StepParts) -> Floats:
    """Seconds that a step spends on weights, over those of one session's step."""
    factor = 1.0 + _factor("switch", SWITCH, draws)
    active = parts.active_share
    if active >= 1.0:
        return factor
    independent = (1.0 - (1.0 - active) ** sessions) / active
    routes = np.minimum(1.0, _factor("routes", ROUTES, draws) / math.sqrt(sessions))
    return np.asarray(factor + routes * (independent - 1.0))


def _factor(name: str, prior: tuple[float, float], draws: int) -> Floats:
    median, spread = prior
    normal = np.random.default_rng(stream_of(_SEED, "sessions", name)).standard_normal(draws)
    return np.asarray(median * np.exp(spread * normal))


def session_figure(alone: Figure, each: Floats, sessions: int) -> Figure:
    """The decode rate of each session, with its 90 % interval, and in words that of all."""
    low, value, high = np.quantile(each, (_TAIL, 0.5, 1 - _TAIL)).tolist()
    text = (
        f"each of {sessions} sessions; {total_text(each, sessions)}; batched steps {PREDICTED}, "
        f"one session: {alone.evidence.text}"
    )
    return Figure(value, low, high, Evidence(PREDICTED, text, alone.evidence.error))


def total_text(each: Floats, sessions: int) -> str:
    """`all together 120 (100 to 150) token/s`."""
    low, value, high = (sessions * np.quantile(each, (_TAIL, 0.5, 1 - _TAIL))).tolist()
    return f"all together {rate(value)} ({rate(low)} to {rate(high)}) token/s"


def for_sessions(memory: Footprint, sessions: int) -> Footprint:
    """The footprint with a cache of its context for each of several sessions."""
    if sessions == 1 or memory.kv is None or memory.total is None:
        return memory
    further = (sessions - 1) * memory.kv
    return replace(memory, kv=memory.kv + further, total=memory.total + further)


def sessions_data(figure: Figure | None, sessions: int) -> dict[str, Any] | None:
    """The rate of each session and of all together, token/s, JSON-ready; None for one session."""
    if sessions == 1 or figure is None:
        return None
    each = {name: getattr(figure, name) for name in ("value", "low", "high")}
    together = {name: None if tps is None else sessions * tps for name, tps in each.items()}
    return {"count": sessions, "each_tps": each, "together_tps": together}
