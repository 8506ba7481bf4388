"""Prefill and decode rates, timed as llama-bench times them: no tokenizer, no sampling."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from grid.backend import Engine, Steps, Tokenizes
from grid.cells.workload import Decode, Prefill
from grid.engine.measure.energy import EnergyMeter
from grid.engine.measure.energy_windows import TimedPass, energy_of
from grid.engine.measure.meter import Meter
from grid.engine.measure.prompts import token_ids
from grid.engine.measure.repeat import repeat
from grid.engine.measure.result import WorkloadResult, need, series


def prefill(engine: Engine, workload: Prefill, meter: Meter) -> WorkloadResult:
    """Seconds for a prompt after `depth` tokens of context, per repetition; one warm-up prompt."""
    steps, ids = _fill_to_depth(engine, workload, meter)

    def once() -> TimedPass:
        _return_to_depth(steps, workload.depth)
        return timed_pass(lambda: steps.prefill(ids), meter.energy)

    with meter.engine(), kept_up(meter.energy):
        once()
        return _repeated("prefill", once, workload, meter.energy)


def decode(engine: Engine, workload: Decode, meter: Meter) -> WorkloadResult:
    """Seconds for `tokens` synchronised steps, per repetition; one warm-up token."""
    steps, ids = _fill_to_depth(engine, workload, meter)

    def compute() -> None:
        for token in ids:
            steps.step(token)

    def once() -> TimedPass:
        _return_to_depth(steps, workload.depth)
        return timed_pass(compute, meter.energy)

    with meter.engine(), kept_up(meter.energy):
        steps.step(ids[0])
        return _repeated("decode", once, workload, meter.energy)


def kept_up(energy: EnergyMeter | None) -> AbstractContextManager[None]:
    """The counters of energy read as often as they need it, where there are any."""
    return nullcontext() if energy is None else energy.kept_up()


def timed_pass(compute: Callable[[], object], energy: EnergyMeter | None) -> TimedPass:
    """Times a call; the counters of energy are read outside of the time."""
    before = None if energy is None else energy.read()
    start = time.perf_counter()
    compute()
    seconds = time.perf_counter() - start
    return TimedPass(seconds, None if energy is None else energy.since(before))


def _repeated(
    kind: str, once: Callable[[], TimedPass], workload: Prefill | Decode, energy: EnergyMeter | None
) -> WorkloadResult:
    """Seconds of the repetitions that count, and of those that were made again; their joules."""
    repeated = repeat(once, lambda timed: timed.seconds, workload.repetition_rule)
    counted, replaced = repeated.counted, repeated.replaced
    joules = energy_of(kind, workload.tokens, counted, once, energy, workload.budget_s)
    times = [series(f"{kind}_s", "s", [r.seconds for r in counted])]
    if replaced:
        times.append(series(f"replaced_{kind}_s", "s", [r.seconds for r in replaced]))
    return WorkloadResult(
        series=(*times, *repeated.series, *joules.series),
        environment={**repeated.environment, **joules.environment},
    )


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
