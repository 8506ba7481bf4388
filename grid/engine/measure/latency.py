"""Latency for one user: time to first token, time per output token, gaps between tokens."""

from __future__ import annotations

from itertools import count, pairwise
from itertools import repeat as always
from time import perf_counter

from grid.backend import Engine, Generates, HasEndpoint, Tokenizes
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
    text = prompt_text(tokenizer, workload.prompt)
    is_server = isinstance(engine, HasEndpoint)
    places, extra = (count(), _MORE_TOKENS) if is_server else (always(0), 0)

    def once() -> list[float]:
        prompt = prompt_text(tokenizer, workload.prompt, next(places))
        return time_request(tokenizer, generator, prompt, workload.generate)

    with meter.engine():
        engine.resize(len(tokenizer.encode(text)) + workload.generate + 1 + extra)
        once()
        repeated = repeat(
            once,
            lambda times: times[-1],
            workload.repetition_rule,
        )
    requests = [repetition.result for repetition in repeated.counted]
    gaps = [b - a for times in requests for a, b in pairwise(times)]
    return WorkloadResult(
        scalars={"prompt_tokens": len(tokenizer.encode(text))},
        series=(
            series("ttft_s", "s", [times[0] for times in requests]),
            series("tpot_s", "s", [_per_token(times) for times in requests]),
            series("e2e_s", "s", [times[-1] for times in requests]),
            series("itl_s", "s", gaps),
            *_replaced([repetition.result for repetition in repeated.replaced]),
            *repeated.series,
        ),
        environment=repeated.environment,
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
