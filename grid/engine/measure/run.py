"""Runs a workload by its measuring function."""

from __future__ import annotations

import os
from functools import partial

import msgspec

from grid.backend import Engine
from grid.cells.workload import Decode, Latency, Memory, Prefill, Quality, ServerLoad, Tasks
from grid.engine import messages
from grid.engine.load.measure import load
from grid.engine.measure.latency import latency
from grid.engine.measure.machine_state import measure_speed
from grid.engine.measure.memory import Loading, memory
from grid.engine.measure.meter import Meter
from grid.engine.measure.model_facts import UNKNOWN, ModelFacts
from grid.engine.measure.process import OtherCpuUsage
from grid.engine.measure.quality import quality
from grid.engine.measure.request_speed import is_timed_by_requests, request_decode, request_prefill
from grid.engine.measure.result import WorkloadResult
from grid.engine.measure.speed import decode, prefill
from grid.engine.measure.tasks import tasks

__all__ = ["Loading", "measure"]


def measure(
    engine: Engine,
    loading: Loading,
    request: messages.Measure,
    meter: Meter,
    model: ModelFacts = UNKNOWN,
) -> messages.Raw:
    """Run the workload and record how much of the machine other processes used."""
    other_usage = OtherCpuUsage()
    outcome = _run(engine, loading, request, meter, model)
    share = other_usage.share()
    environment = {
        **engine.environment(),
        **outcome.environment,
        **({} if share is None else {"other_cpu_share": f"{share:.3f}"}),
        "load_average_1m": f"{os.getloadavg()[0]:.2f}",
        **_clock(),
    }
    return messages.Raw(
        **msgspec.structs.asdict(msgspec.structs.replace(outcome, environment=environment)),
        engine_s=meter.engine_s,
    )


def _run(
    engine: Engine,
    loading: Loading,
    request: messages.Measure,
    meter: Meter,
    model: ModelFacts,
) -> WorkloadResult:
    match request.workload:
        case Memory() as workload:
            return memory(engine, workload, loading, request.kv_bytes, meter)
        case Prefill() as workload:
            timed_prefill = request_prefill if is_timed_by_requests(engine) else prefill
            run = partial(timed_prefill, engine, workload, meter)
            return measure_speed(run, workload.budget_s)
        case Decode() as workload:
            timed_decode = request_decode if is_timed_by_requests(engine) else decode
            run = partial(timed_decode, engine, workload, meter)
            return measure_speed(run, workload.budget_s)
        case Latency() as workload:
            return measure_speed(partial(latency, engine, workload, meter), workload.budget_s)
        case ServerLoad() as workload:
            return load(engine, workload, meter)
        case Quality() as workload:
            return quality(
                engine,
                workload,
                request.reference,
                meter,
                model,
                target=request.reference_target,
                probes=request.probes_noise,
            )
        case Tasks() as workload:
            return tasks(engine, workload, meter, model)


def _clock() -> dict[str, str]:
    """The CPU's clock after the workload, where the system shows it."""
    import psutil

    frequency = psutil.cpu_freq() if hasattr(psutil, "cpu_freq") else None
    return {"cpu_mhz": f"{frequency.current:.0f}"} if frequency and frequency.current else {}
