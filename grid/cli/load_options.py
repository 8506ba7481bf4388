"""The options of `grid load` as workloads, and their measurement one after the other."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
import typer

from grid.backend.endpoint import Endpoint
from grid.cells.load import Arrivals, ServerLoad, Slo, parse_lengths
from grid.cells.measurement import Measurement
from grid.cells.texts import read_text
from grid.engine.load.measure import measure_endpoint
from grid.engine.load.prompts import read_prompts
from grid.engine.load.saturation import LoadOutcome, saturation
from grid.errors import EngineError, InputError
from grid.results.derive import metrics_of
from grid.results.imports.endpoint_load import EndpointLoad, ServedModel, endpoint_report
from grid.units import parse_seconds

MOST_CLIENTS = 4000
MOST_RATE = 5000.0


class LoadOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options as they are written; `limits` by `ttft`, `tpot` and `e2e`."""

    url: str
    key_variable: str
    concurrency: str | None
    rate: str | None
    find_rate: bool
    arrivals: Arrivals
    limits: Mapping[str, str | None]
    attainment: float
    prompt: str
    output: str
    shared_prefix: int
    prompts: str | None
    chat: bool
    requests: int | None
    duration: str
    warmup: int
    timeout: str
    seed: int


def workloads(options: LoadOptions) -> list[ServerLoad]:
    """The loads to measure, the smaller first. Raises InputError where an option is none."""
    if (options.concurrency is not None) + (options.rate is not None) + options.find_rate > 1:
        raise InputError("--concurrency, --rate and --find-rate exclude each other")
    base = _base(options)
    if options.find_rate:
        if not base.slo.limits:
            raise InputError("--find-rate needs a limit: --ttft, --tpot or --e2e")
        if options.requests is not None:
            raise InputError("--find-rate ends by itself; --requests is for the others")
        return [msgspec.structs.replace(base, arrivals=options.arrivals, search=True)]
    if options.rate is not None:
        rates = _numbers("--rate", options.rate, MOST_RATE)
        return [msgspec.structs.replace(base, arrivals=options.arrivals, rate=r) for r in rates]
    counts = _numbers("--concurrency", options.concurrency or "1", MOST_CLIENTS)
    if any(count != int(count) for count in counts):
        raise InputError("--concurrency: clients are whole numbers")
    return [msgspec.structs.replace(base, concurrency=int(count)) for count in counts]


def _base(options: LoadOptions) -> ServerLoad:
    limits = {
        f"{name}_s": _duration(f"--{name}", text) for name, text in options.limits.items() if text
    }
    if not 0 < options.attainment <= 1:
        raise InputError("--attainment: a share above 0, at most 1")
    for name in ("shared_prefix", "warmup", "seed"):
        if getattr(options, name) < 0:
            raise InputError(f"--{name.replace('_', '-')}: not below 0")
    if options.requests is not None and options.requests < 1:
        raise InputError("--requests: at least 1")
    prompts, sha256 = "", ""
    if options.prompts is not None:
        text = read_text(options.prompts, Path.cwd())
        read_prompts(text.text, options.prompts)
        prompts, sha256 = text.source, text.sha256
    return ServerLoad(
        prompt=parse_lengths(options.prompt),
        output=parse_lengths(options.output),
        shared_prefix=options.shared_prefix,
        prompts=prompts,
        prompts_sha256=sha256,
        chat=options.chat,
        requests=options.requests or 0,
        duration_s=_duration("--duration", options.duration),
        warmup=options.warmup,
        timeout_s=_duration("--timeout", options.timeout),
        slo=Slo(**limits, attainment=options.attainment),
        seed=options.seed,
    )


def _duration(option: str, text: str) -> float:
    try:
        seconds = parse_seconds(text)
    except InputError as error:
        raise InputError(f"{option}: {error}") from None
    if not 0 < seconds < 86400:
        raise InputError(f"{option}: more than zero and less than a day, not {text!r}")
    return seconds


def _numbers(option: str, text: str, most: float) -> list[float]:
    try:
        numbers = sorted({float(part) for part in text.split(",")})
    except ValueError:
        raise InputError(f"{option}: {text!r} are no numbers; write for example 1,4,16") from None
    for number in numbers:
        if not (math.isfinite(number) and 0 < number <= most):
            raise InputError(f"{option}: above 0 and up to {most:g}, not {number:g}")
    return numbers


def run_loads(
    options: LoadOptions, model: ServedModel, store: str | None, as_json: bool = False
) -> None:
    """Measure, print, and write rows where a store is given. Exit code 1 where a load failed after
    others were measured; what was measured is printed and written."""
    from grid.cli.views.load import LoadProgress, print_json_loads, print_loads

    endpoint = Endpoint(
        url=options.url.rstrip("/").removesuffix("/v1"),
        model=model.name,
        key_variable=options.key_variable,
    )
    loads = workloads(options)
    done: list[EndpointLoad] = []
    stopped, broke_off = "", False
    with LoadProgress() as progress:
        for workload in loads:
            outcomes = [LoadOutcome(each.workload, each.measurement.scalars) for each in done]
            if reason := saturation(outcomes, workload):
                stopped = f"stopped before {workload.label}: the server is saturated, {reason}"
                break
            try:
                done.append(_measure(endpoint, workload, progress))
            except EngineError as error:
                if not done:
                    raise
                stopped, broke_off = f"{workload.label}: {error}", True
                break
            if store is not None:
                _write(model, done[-1], store)
    (print_json_loads if as_json else print_loads)(model, done, stopped)
    if broke_off:
        raise typer.Exit(1)


def _measure(endpoint: Endpoint, workload: ServerLoad, progress: object) -> EndpointLoad:
    from grid.cli.views.load import LoadProgress

    assert isinstance(progress, LoadProgress)
    progress.begin(workload)
    started_at, start = time.time(), time.perf_counter()
    result = measure_endpoint(endpoint, workload, progress.update)
    measurement = Measurement(
        cell_id="",
        status="ok",
        started_at=started_at,
        wall_s=time.perf_counter() - start,
        scalars=result.scalars,
        series=result.series,
        environment=result.environment,
    )
    return EndpointLoad(workload, measurement, metrics_of("load", workload, measurement))


def _write(model: ServedModel, load: EndpointLoad, store: str) -> None:
    from grid.results.imports.writing import add_report

    report = endpoint_report(model, [load])
    if report.refused:
        raise InputError(f"not written: {report.refused[0]}")
    add_report(report, store)
