"""Prefill and decode rates of a server, timed by the requests of one user.

A server has no single steps. Prefill is the time from sending a prompt to its first token, decode
the time from the first token to the last. So both hold what a user of the server waits for beside
the model: HTTP, its queue, sampling.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from time import perf_counter

from grid.backend import Engine, Generates, HasEndpoint, Steps, Tokenizes
from grid.cells.workload import Decode, Prefill
from grid.engine.measure.meter import Meter
from grid.engine.measure.prompts import prose
from grid.engine.measure.repeat import Repeated, repeat
from grid.engine.measure.result import WorkloadResult, need, series
from grid.errors import EngineError, Unsupported

_MOST_PLACES = 2000
"""Places of the text at which a prompt may begin, before it is given up."""


def is_timed_by_requests(engine: Engine) -> bool:
    """Whether the engine is a server without single steps."""
    return isinstance(engine, HasEndpoint) and not isinstance(engine, Steps)


def request_prefill(engine: Engine, workload: Prefill, meter: Meter) -> WorkloadResult:
    """Seconds from sending a prompt of `tokens` to its first token, per repetition; each begins
    with other text, so that a server that keeps prompts computes all of it. One warm-up.

    Raises Unsupported at a depth: what a server holds of a context cannot be chosen.
    """
    if workload.depth:
        raise Unsupported("a server's prefill after a context cannot be timed; leave depth out")
    generator, prompts = need(engine, Generates), _prompts(engine, workload.tokens)

    def once() -> float:
        return _token_times(generator, next(prompts), 1)[0]

    with meter.engine():
        engine.resize(workload.tokens + 1)
        once()
        repeated = repeat(once, float, workload.repetition_rule)
    return _result("prefill", repeated)


def request_decode(engine: Engine, workload: Decode, meter: Meter) -> WorkloadResult:
    """Seconds from the first token to the last of an answer of `tokens` more, per repetition, after
    a prompt of `depth` tokens, at least one. One warm-up."""
    generator, prompts = need(engine, Generates), _prompts(engine, max(workload.depth, 1))

    def once() -> float:
        times = _token_times(generator, next(prompts), workload.tokens + 1)
        return times[-1] - times[0]

    with meter.engine():
        engine.resize(max(workload.depth, 1) + workload.tokens + 1)
        once()
        repeated = repeat(once, float, workload.repetition_rule)
    return _result("decode", repeated)


def _result(kind: str, repeated: Repeated[float]) -> WorkloadResult:
    """The seconds of the repetitions that count, and of those that were made again."""
    times = [series(f"{kind}_s", "s", [r.seconds for r in repeated.counted])]
    if repeated.replaced:
        times.append(series(f"replaced_{kind}_s", "s", [r.seconds for r in repeated.replaced]))
    return WorkloadResult(series=(*times, *repeated.series), environment=repeated.environment)


def _token_times(generator: Generates, ids: list[int], tokens: int) -> list[float]:
    """Seconds from sending a prompt to each of its tokens. Raises EngineError where they are not as
    many as were asked for."""
    start = perf_counter()
    times = [
        perf_counter() - start for _ in generator.generate([ids], tokens, ignore_eos=True, seed=0)
    ]
    if len(times) != tokens:
        raise EngineError(f"{len(times)} tokens came of {tokens}; no rate can be told")
    return times


def _prompts(engine: Engine, tokens: int) -> Iterator[list[int]]:
    """Prompts of exactly so many tokens, BOS first where there is one. They are prose, cut where
    the text of the tokens is read as the same tokens: servers may take text alone."""
    tokenizer = need(engine, Tokenizes)
    start = [] if tokenizer.bos is None else [tokenizer.bos]
    ids = tokenizer.encode(prose())
    length = max(tokens - len(start), 1)
    while len(ids) < length + _MOST_PLACES:
        ids = ids + ids
    fitting = 0
    for place in count():
        at = place % _MOST_PLACES
        if place and not at and not fitting:
            raise Unsupported(f"no part of the text has {tokens} tokens in this vocabulary")
        prompt = ids[at : at + length]
        text = tokenizer.decode(prompt).decode(errors="ignore")
        if tokenizer.encode(text) == prompt:
            fitting += 1
            yield [*start, *prompt]
