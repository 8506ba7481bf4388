"""guidellm's and AIPerf's reports of requests to a server: latencies of one request at a time.

Both hold distributions over requests; rows are their medians. Runs of several requests at once are
left out: their latencies are those of a load.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grid.cells.cell import Options
from grid.cells.measurement import Metric, Series
from grid.results.imports import metric
from grid.results.imports.cleaning import quote
from grid.results.imports.record import (
    FigureOrigin,
    Record,
    RecordPlace,
    latency_run,
)
from grid.results.imports.server_weights import named_weights
from grid.results.imports.source import Source
from grid.results.imports.values import (
    JsonObject,
    count,
    epoch_seconds,
    finite,
    mapping,
    number,
    text,
    texts,
)

GUIDELLM = FigureOrigin("guidellm")
AIPERF = FigureOrigin("AIPerf")

_GUIDELLM_METRICS = {
    "ttft_s": ("time_to_first_token_ms", "ms", ""),
    "tpot_s": ("inter_token_latency_ms", "ms", ", each weighted by its tokens"),
    "e2e_s": ("request_latency", "s", ""),
}
"""Field, unit, and how its median differs. guidellm's latency between tokens is a mean for each
request, and its time per output token has the first token in it."""

AIPERF_METRICS = {
    "ttft_s": "time_to_first_token", "tpot_s": "inter_token_latency", "e2e_s": "request_latency",
}  # fmt: skip
"""AIPerf's latency between tokens is (request latency - TTFT) / (output tokens - 1)."""


class GuidellmReader:
    """benchmarks.json: a report with a benchmark for each strategy."""

    name = "guidellm"
    description = "guidellm's benchmarks.json, strategies of one request at a time"
    origin = GUIDELLM
    selectable = True

    def recognizes(self, source: Source) -> bool:
        return any(_is_guidellm(part.value) for part in source.json_parts)

    def records(self, source: Source) -> Iterator[Record]:
        for part in source.json_parts:
            if _is_guidellm(part.value):
                for at, benchmark in enumerate(part.value["benchmarks"], 1):
                    with source.refusing():
                        yield from _guidellm(source, part.value, mapping(benchmark), at)


class AiperfReader:
    """profile_export_aiperf.json: one run."""

    name = "aiperf"
    description = "AIPerf's profile_export_aiperf.json, of one request at a time"
    origin = AIPERF
    selectable = True

    def recognizes(self, source: Source) -> bool:
        return any(is_aiperf(part.value) for part in source.json_parts)

    def records(self, source: Source) -> Iterator[Record]:
        for part in source.json_parts:
            if is_aiperf(part.value):
                with source.refusing():
                    yield from _aiperf(source, part.value, part.line)


def _is_guidellm(value: Any) -> bool:
    benchmarks = value.get("benchmarks") if isinstance(value, dict) else None
    return isinstance(benchmarks, list) and any(
        {"request_latency", "time_to_first_token_ms"} & mapping(mapping(b).get("metrics")).keys()
        for b in benchmarks
    )


def is_aiperf(value: Any) -> bool:
    """Whether a parsed object is the summary of a run of AIPerf."""
    return (
        isinstance(value, dict)
        and "request_latency" in value
        and ("input_config" in value or "aiperf_version" in value)
    )


def _guidellm(
    source: Source, report: JsonObject, benchmark: JsonObject, at: int
) -> Iterator[Record]:
    where = f"benchmark {at}"
    metrics, config = mapping(benchmark.get("metrics")), mapping(benchmark.get("config"))
    strategy = mapping(config.get("strategy") or mapping(benchmark.get("args")).get("strategy"))
    if not _is_single(strategy):
        kind = quote(text(strategy, "type_") or "not said")
        source.skip(f"{where}: strategy {kind} is left out: not one request at a time")
        return
    totals = mapping(metrics.get("request_totals"))
    completed = count(source, totals, "successful", where) or 0
    if not completed:
        raise source.error(f"{where}: no request was completed")
    figures = []
    for name, (field, unit, how) in _GUIDELLM_METRICS.items():
        value = number(source, _successful(metrics, field), "median", f"{where}: {field}")
        if value:
            figures.append(median_figure(name, value, unit, completed, GUIDELLM, how))
    yield load_record(
        source,
        GUIDELLM,
        model=_guidellm_model(report, benchmark),
        lengths=tuple(
            number(source, _successful(metrics, f"{end}_token_count"), "mean", where)
            for end in ("prompt", "output")
        ),
        completed=completed,
        figures=tuple(figures),
        started=benchmark.get("start_time"),
        environment=texts(mapping(report.get("metadata")), ("guidellm_version",)),
        place=RecordPlace(source.name, at, unit="benchmark"),
    )


def _is_single(strategy: JsonObject) -> bool:
    """Whether a strategy sends a request when the one before is done."""
    kind = text(strategy, "type_")
    bound = finite(strategy.get("streams") if kind == "concurrent" else None)
    if kind == "throughput":
        bound = finite(strategy.get("max_concurrency"))
    return kind == "synchronous" or bound == 1


def _guidellm_model(report: JsonObject, benchmark: JsonObject) -> str:
    """The model's name, which versions keep in several places."""
    config, spec = mapping(benchmark.get("config")), mapping(report.get("config")).get("spec")
    places = (
        mapping(config.get("backend")),
        mapping(report.get("args")),
        mapping(mapping(spec).get("backend")),
        mapping(mapping(report.get("args")).get("backend")),
    )
    return next((name for place in places if (name := text(place, "model"))), "")


def _successful(metrics: JsonObject, field: str) -> dict[str, Any]:
    return mapping(mapping(metrics.get(field)).get("successful"))


def _aiperf(source: Source, run: JsonObject, line: int) -> Iterator[Record]:
    where = f"line {line}"
    config = mapping(run.get("input_config"))
    load = mapping(config.get("loadgen"))
    concurrency = count(source, load, "concurrency", where)
    completed = count(source, mapping(run.get("request_count")), "avg", where) or 0
    if run.get("was_cancelled"):
        source.skip(f"{where}: the run was cancelled; it is left out")
        return
    if not completed:
        raise source.error(f"{where}: no request was completed")
    if concurrency != 1 and completed != 1:
        load_text = (
            "concurrency is not said" if concurrency is None else f"concurrency {concurrency}"
        )
        source.skip(f"{where}: {load_text}: not one request at a time, left out")
        return
    figures = []
    for name, field in AIPERF_METRICS.items():
        value = number(source, mapping(run.get(field)), "p50", f"{where}: {field}")
        if value:
            unit = text(mapping(run.get(field)), "unit")
            figures.append(median_figure(name, value, unit, completed, AIPERF))
    names = mapping(config.get("endpoint")).get("model_names")
    yield load_record(
        source,
        AIPERF,
        model=str(names[0]) if isinstance(names, list) and len(names) == 1 else "",
        lengths=tuple(
            number(source, mapping(run.get(f"{end}_sequence_length")), "avg", where)
            for end in ("input", "output")
        ),
        completed=completed,
        figures=tuple(figures),
        started=run.get("start_time"),
        environment=texts(run, ("aiperf_version",)),
        place=RecordPlace(source.name, line),
    )


def median_figure(
    name: str, value: float, unit: str, completed: int, origin: FigureOrigin, how: str = ""
) -> Metric:
    """A median as the source gives it, in its unit."""
    words = f"median over requests{how}"
    return metric.figure(name, value, origin.name, n=completed, unit=unit or "none", how=words)


def load_record(
    source: Source,
    origin: FigureOrigin,
    *,
    model: str,
    lengths: tuple[float | None, ...],
    completed: int,
    figures: tuple[Metric, ...],
    started: Any,
    environment: Mapping[str, str],
    place: RecordPlace,
    samples: tuple[Series, ...] = (),
    options: Options | None = None,
) -> Record:
    """A record of requests to a server, of so many tokens in and out. Raises InputError without
    them or a figure."""
    where = str(place._replace(file=""))
    prompt, generated = (round(length or 0) for length in lengths)
    if not prompt or not generated:
        raise source.error(f"{where}: no tokens in or out are said")
    if not figures:
        raise source.error(f"{where}: no latency in it")
    return Record(
        origin=origin,
        weights=named_weights(source, model),
        **latency_run(prompt, generated, completed),
        backend="unnamed server",
        hardware=source.hardware_named(""),
        device_kind="unknown",
        figures=figures,
        samples=samples,
        options=options or {},
        started_at=epoch_seconds(started),
        environment=environment,
        place=place,
    )


READERS = (GuidellmReader(), AiperfReader())
