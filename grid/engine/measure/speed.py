"""Prefill and decode rates, timed as llama-bench times them: no tokenizer, no sampling."""

from __future__ import annotations

from time import perf_counter

from grid.backend import Engine, Steps, Tokenizes
from grid.cells.workload import Decode, Prefill
from grid.engine.measure.meter import Meter
from grid.engine.measure.prompts import token_ids
from grid.engine.measure.result import WorkloadResult, need, series


def prefill(engine: Engine, workload: Prefill, meter: Meter) -> WorkloadResult:
    """Seconds for a prompt after `depth` tokens of context, per repetition; one warm-up prompt."""
    steps, ids = _fill_to_depth(engine, workload, meter)
    seconds = []
    with meter.engine():
        for repetition in range(workload.repetitions + 1):
            _return_to_depth(steps, workload.depth)
            start = perf_counter()
            steps.prefill(ids)
            if repetition:
                seconds.append(perf_counter() - start)
    return WorkloadResult(series=(series("prefill_s", "s", seconds),))


def decode(engine: Engine, workload: Decode, meter: Meter) -> WorkloadResult:
    """Seconds for `tokens` synchronised steps, per repetition; one warm-up token."""
    steps, ids = _fill_to_depth(engine, workload, meter)
    seconds = []
    with meter.engine():
        steps.step(ids[0])
        for _ in range(workload.repetitions):
            _return_to_depth(steps, workload.depth)
            start = perf_counter()
            for token in ids:
                steps.step(token)
            seconds.append(perf_counter() - start)
    return WorkloadResult(series=(series("decode_s", "s", seconds),))


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
