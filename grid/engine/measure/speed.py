"""Prefill and decode rates, timed as llama-bench times them: no tokenizer, no sampling."""

from __future__ import annotations

from time import perf_counter

from grid.backend import Engine, Steps, Tokenizes
from grid.cells.workload import Decode, Prefill
from grid.engine.measure.meter import Meter
from grid.engine.measure.prompts import token_ids
from grid.engine.measure.repeat import Repeated, repeat
from grid.engine.measure.result import WorkloadResult, need, series


def prefill(engine: Engine, workload: Prefill, meter: Meter) -> WorkloadResult:
    """Seconds for a prompt after `depth` tokens of context, per repetition; one warm-up prompt."""
    steps, ids = _fill_to_depth(engine, workload, meter)

    def once() -> float:
        _return_to_depth(steps, workload.depth)
        start = perf_counter()
        steps.prefill(ids)
        return perf_counter() - start

    with meter.engine():
        once()
        repeated = repeat(once, float, workload.repetition_rule)
    return _result("prefill", repeated)


def decode(engine: Engine, workload: Decode, meter: Meter) -> WorkloadResult:
    """Seconds for `tokens` synchronised steps, per repetition; one warm-up token."""
    steps, ids = _fill_to_depth(engine, workload, meter)

    def once() -> float:
        _return_to_depth(steps, workload.depth)
        start = perf_counter()
        for token in ids:
            steps.step(token)
        return perf_counter() - start

    with meter.engine():
        steps.step(ids[0])
        repeated = repeat(once, float, workload.repetition_rule)
    return _result("decode", repeated)


def _result(kind: str, repeated: Repeated[float]) -> WorkloadResult:
    """The seconds of the repetitions that count, and of those that were made again."""
    times = [series(f"{kind}_s", "s", [r.seconds for r in repeated.counted])]
    if repeated.replaced:
        times.append(series(f"replaced_{kind}_s", "s", [r.seconds for r in repeated.replaced]))
    return WorkloadResult(series=(*times, *repeated.series), environment=repeated.environment)


def _fill_to_depth(
    engine: Engine, workload: Prefill | Decode, meter: Meter
) -> tuple[Steps, list[int]]:
    """The engine with the untimed context filled, and the ids that come after it."""
    steps, tokenizer = need(engine, Steps), need(engine, Tokenizes)
    ids = token_ids(tokenizer, workload.depth + workload.tokens)
    with meter.engine():
        engine.resize(workload.depth + workload.tokens)
        steps.reset()
        if workload.depth:
            steps.prefill(ids[: workload.depth])
    return steps, ids[workload.depth :]


def _return_to_depth(steps: Steps, depth: int) -> None:
    if depth:
        steps.truncate(depth)
    else:
        steps.reset()
