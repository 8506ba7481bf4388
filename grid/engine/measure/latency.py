"""Latency for one user: time to first token, time per output token, gaps between tokens."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count, cycle, pairwise
from itertools import repeat as always
from time import perf_counter
from typing import NamedTuple

from grid.backend import (
    Engine,
    Generates,
    HasEndpoint,
    Speculates,
    SpeculationCounts,
    Tokenizes,
)
from grid.cells.measurement import Series
from grid.cells.workload import Latency
from grid.engine.measure.meter import Meter
from grid.engine.measure.prompts import prompt_text
from grid.engine.measure.repeat import repeat
from grid.engine.measure.result import WorkloadResult, need, series
from grid.errors import EngineError

_MORE_TOKENS = 8
"""By which a cut text may be longer than it was meant to be."""


def latency(engine: Engine, workload: Latency, meter: Meter) -> WorkloadResult:
    """One request at a time, from text to tokens; the first request is a warm-up. A server gets
    other text in each, since it may keep what it has read."""
    tokenizer, generator = need(engine, Tokenizes), need(engine, Generates)
    passages = [i * workload.prompt for i in range(workload.prompts)]
    texts = [prompt_text(tokenizer, workload.prompt, first) for first in passages]
    longest = max(len(tokenizer.encode(text)) for text in texts)
    is_server = isinstance(engine, HasEndpoint)
    shifts, extra = (count(), _MORE_TOKENS) if is_server else (always(0), 0)
    turns = zip(cycle(passages), shifts, strict=False)

    def once() -> _Request:
        prompt = prompt_text(tokenizer, workload.prompt, sum(next(turns)))
        before = _speculation(engine)
        times = time_request(tokenizer, generator, prompt, workload.generate)
        return _Request(times, _speculated(before, _speculation(engine)))

    with meter.engine():
        engine.resize(longest + workload.generate + 1 + extra)
        once()
        repeated = repeat(once, lambda request: request.times[-1], workload.repetition_rule)
    requests = [repetition.result.times for repetition in repeated.counted]
    counts = [r.result.speculation for r in repeated.counted if r.result.speculation is not None]
    gaps = [b - a for times in requests for a, b in pairwise(times)]
    return WorkloadResult(
        scalars={"prompt_tokens": longest},
        series=(
            series("ttft_s", "s", [times[0] for times in requests]),
            series("tpot_s", "s", [_per_token(times) for times in requests]),
            series("e2e_s", "s", [times[-1] for times in requests]),
            series("itl_s", "s", gaps),
            *_replaced([repetition.result.times for repetition in repeated.replaced]),
            *_speculation_series(counts),
            *repeated.series,
        ),
        environment=repeated.environment,
    )


class _Request(NamedTuple):
    """Seconds to each token, and what was guessed meanwhile."""

    times: list[float]
    speculation: SpeculationCounts | None


def _speculation(engine: Engine) -> SpeculationCounts | None:
    return engine.speculation if isinstance(engine, Speculates) else None


def _speculated(
    before: SpeculationCounts | None, now: SpeculationCounts | None
) -> SpeculationCounts | None:
    if before is None or now is None:
        return None
    return SpeculationCounts(*(b - a for a, b in zip(before, now, strict=True)))


def _speculation_series(counts: Sequence[SpeculationCounts]) -> tuple[Series, ...]:
    """Of each request: tokens guessed, those accepted, evaluations that checked them."""
    if not counts:
        return ()
    return (
        series("drafted_tokens", "token", [c.drafted for c in counts]),
        series("accepted_tokens", "token", [c.accepted for c in counts]),
        series("checking_steps", "1", [c.steps for c in counts]),
    )


def _replaced(requests: list[list[float]]) -> tuple[Series, ...]:
    """Times of requests that were disturbed, and made again."""
    if not requests:
        return ()
    return (
        series("replaced_ttft_s", "s", [times[0] for times in requests]),
        series("replaced_e2e_s", "s", [times[-1] for times in requests]),
    )


def time_request(tokenizer: Tokenizes, generator: Generates, text: str, tokens: int) -> list[float]:
    """Seconds from sending the text to each output token, the first being the first with text.

    End of text is ignored, so that every request has the same number of tokens.
    """
    times: list[float] = []
    start = perf_counter()
    ids = tokenizer.encode(text)
    if tokenizer.bos is not None:
        ids = [tokenizer.bos, *ids]
    for _, token in generator.generate([ids], tokens, ignore_eos=True, seed=0):
        now = perf_counter() - start
        if times or tokenizer.decode([token]):
            times.append(now)
    if len(times) < 2:
        raise EngineError(f"{len(times)} tokens with text came of {tokens}; nothing to time")
    return times


def _per_token(times: list[float]) -> float:
    """(end-to-end latency - TTFT) / (output tokens - 1), as vLLM and MLPerf Client define TPOT."""
    return (times[-1] - times[0]) / (len(times) - 1)
