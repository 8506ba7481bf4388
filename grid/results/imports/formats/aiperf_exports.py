"""AIPerf's other outputs: the CSV of a run, its requests as JSONL, and the JSON of a sweep.

The CSV and the JSONL of a run are read where its JSON does not lie beside them, which says more.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from grid.cells.measurement import Metric, Series
from grid.results import statistics
from grid.results.imports import metric
from grid.results.imports.cleaning import quote
from grid.results.imports.formats.server_loads import (
    AIPERF,
    AIPERF_METRICS,
    load_record,
    median_figure,
)
from grid.results.imports.record import Record, RecordPlace
from grid.results.imports.source import Source
from grid.results.imports.units import factor
from grid.results.imports.values import JsonObject, count_in, finite, mapping, number, text

_SUMMARY = "profile_export_aiperf.json"
_TITLES = {
    "ttft_s": "Time to First Token", "tpot_s": "Inter Token Latency", "e2e_s": "Request Latency",
}  # fmt: skip
_LENGTHS = ("Input Sequence Length", "Output Sequence Length")
_ONE_AT_A_TIME = 0.02
"""How far the sum of the requests' times may be from the run's, relative."""


class _CsvRow(NamedTuple):
    """A metric of the CSV with its unit, and its figures by the column's name."""

    line: int
    unit: str
    figures: dict[str, str]


class AiperfCsvReader:
    """profile_export_aiperf.csv: sections of metrics, with their units behind the names."""

    name = "aiperf-csv"
    description = "AIPerf's profile_export_aiperf.csv, of one request at a time"
    origin = AIPERF
    selectable = True

    def recognizes(self, source: Source) -> bool:
        return _is_csv(source)

    def records(self, source: Source) -> Iterator[Record]:
        rows = _csv_rows(source)
        if "Request Latency" not in rows:
            raise source.error("no AIPerf metrics (Metric, avg, p50; Request Latency)")
        if _has_summary(source):
            return
        completed = count_in(_value(rows, "Request Count", "Value", "avg")) or 0
        if not completed:
            raise source.error("no request was completed")
        if not _is_single(rows, completed):
            source.skip("not one request at a time, or that is not said: left out")
            return
        figures = [
            median_figure(name, value, rows[title].unit, completed, AIPERF)
            for name, title in _TITLES.items()
            if (value := finite(_value(rows, title, "p50")))
        ]
        yield load_record(
            source,
            AIPERF,
            model="",
            lengths=tuple(finite(_value(rows, title, "avg")) for title in _LENGTHS),
            completed=completed,
            figures=tuple(figures),
            started=None,
            environment={},
            place=RecordPlace(source.name, rows["Request Latency"].line),
        )


class AiperfRequestsReader:
    """profile_export.jsonl: a line for each request, with the times that it began and ended."""

    name = "aiperf-jsonl"
    description = "AIPerf's profile_export.jsonl, a line a request, one at a time"
    origin = AIPERF
    selectable = True

    def recognizes(self, source: Source) -> bool:
        return any(_is_request(part.value) for part in source.json_parts)

    def records(self, source: Source) -> Iterator[Record]:
        parts = [part for part in source.json_parts if _is_request(part.value)]
        if not parts:
            raise source.error("no requests of AIPerf (metadata, metrics)")
        if _has_summary(source):
            return
        for part in source.json_parts:
            if not _is_request(part.value):
                source.skip(f"line {part.line} is no request with its times; it is left out")
        requests = [part.value for part in parts if _is_measured(part.value)]
        if _overlap(source, requests):
            source.skip("several requests at once: left out")
            return
        good = [mapping(request["metrics"]) for request in requests if not request.get("error")]
        if len(good) < len(requests):
            source.skip(f"requests that failed are left out: {len(requests) - len(good)}")
        if not good:
            raise source.error("no request was completed")
        series = [
            Series(name, "s", values)
            for name, field in AIPERF_METRICS.items()
            if (values := _seconds(source, good, field))
        ]
        yield load_record(
            source,
            AIPERF,
            model="",
            lengths=tuple(_mean(good, f"{end}_sequence_length") for end in ("input", "output")),
            completed=len(good),
            figures=tuple(_figure(samples) for samples in series),
            started=None,
            environment={},
            place=RecordPlace(source.name, parts[0].line),
            samples=tuple(series),
        )


class AiperfSweepReader:
    """profile_export_aiperf_sweep.json: a run for each combination of parameters."""

    name = "aiperf-sweep"
    description = "AIPerf's profile_export_aiperf_sweep.json, combinations with concurrency 1"
    origin = AIPERF
    selectable = True

    def recognizes(self, source: Source) -> bool:
        return any(_is_sweep(part.value) for part in source.json_parts)

    def records(self, source: Source) -> Iterator[Record]:
        for part in source.json_parts:
            if _is_sweep(part.value):
                for at, run in enumerate(part.value["per_combination_metrics"], 1):
                    with source.refusing():
                        yield from _combination(source, mapping(run), at)


def _has_summary(source: Source) -> bool:
    """Whether the run's JSON lies beside; it is then read there, which is said."""
    beside = source.path.with_name(_SUMMARY)
    if beside.is_file():
        source.skip(f"its run is read with {_SUMMARY}")
    return beside.is_file()


def _is_csv(source: Source) -> bool:
    heads = [line for line in source.lines[:200] if line.startswith("Metric,")]
    return any({"avg", "p50"} <= set(head.split(",")) for head in heads) and any(
        line.lstrip('"').startswith("Request Latency (") for line in source.lines
    )


def _csv_rows(source: Source) -> dict[str, _CsvRow]:
    """Metrics by title. Raises InputError where a title stands twice."""
    rows: dict[str, _CsvRow] = {}
    head: list[str] = []
    for at, line in enumerate(source.lines, 1):
        fields = next(csv.reader([line]), [])
        if not fields:
            head = []
        elif fields[0] == "Metric":
            head = fields
        elif head and len(fields) == len(head):
            title, _, unit = fields[0].rstrip(")").partition(" (")
            if title in rows:
                raise source.error(f"line {at}: {quote(title)} stands twice")
            rows[title] = _CsvRow(at, unit, dict(zip(head[1:], fields[1:], strict=True)))
        elif head:
            source.refuse(f"line {at} has {len(fields)} fields under a head of {len(head)}")
    return rows


def _value(rows: Mapping[str, _CsvRow], title: str, *columns: str) -> str:
    figures = rows[title].figures if title in rows else {}
    return next((figures[column] for column in columns if figures.get(column)), "")


def _is_single(rows: Mapping[str, _CsvRow], completed: int) -> bool:
    """Whether the requests' times add up to the run's, as they do one after the other."""
    if completed == 1:
        return True
    times = []
    for title, columns in (("Benchmark Duration", ("Value", "avg")), ("Request Latency", ("avg",))):
        value = finite(_value(rows, title, *columns))
        scale = factor(rows[title].unit, "s") if title in rows else None
        times.append(value * scale if value and scale else 0.0)
    duration, mean = times
    return bool(mean) and math.isclose(duration, completed * mean, rel_tol=_ONE_AT_A_TIME)


def _is_request(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and "request_start_ns" in mapping(value.get("metadata"))
        and "metrics" in value
    )


def _is_measured(request: JsonObject) -> bool:
    return text(mapping(request["metadata"]), "benchmark_phase") in ("", "profiling")


def _overlap(source: Source, requests: Sequence[JsonObject]) -> bool:
    """Whether a request began before another ended."""
    spans = []
    for request in requests:
        about = mapping(request["metadata"])
        span = [finite(about.get(f"request_{end}_ns")) for end in ("start", "end")]
        if span[0] is None or span[1] is None or span[1] < span[0]:
            raise source.error("a request does not say when it began and ended")
        spans.append((span[0], span[1]))
    spans.sort()
    return any(spans[at][0] < spans[at - 1][1] for at in range(1, len(spans)))


def _seconds(source: Source, requests: Sequence[JsonObject], field: str) -> tuple[float, ...]:
    """A field of all requests that have it."""
    values = []
    for at, request in enumerate(requests, 1):
        figure = mapping(request.get(field))
        value = number(source, figure, "value", f"request {at}: {field}")
        scale = factor(text(figure, "unit"), "s")
        if value and scale is None:
            raise source.error(f"request {at}: {field} is in {quote(figure.get('unit'))}, no time")
        if value and scale:
            values.append(value * scale)
    return tuple(values)


def _mean(requests: Sequence[JsonObject], field: str) -> float | None:
    values = [finite(mapping(request.get(field)).get("value")) for request in requests]
    numbers = [value for value in values if value is not None]
    return sum(numbers) / len(numbers) if numbers else None


def _figure(samples: Series) -> Metric:
    interval = statistics.time_interval(list(samples.values))
    return metric.of_interval(samples.name, interval, AIPERF.name)


def _is_sweep(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.get("aggregation_type") == "sweep"
        and isinstance(value.get("per_combination_metrics"), list)
    )


def _combination(source: Source, run: JsonObject, at: int) -> Iterator[Record]:
    where = f"combination {at}"
    parameters, metrics = mapping(run.get("parameters")), mapping(run.get("metrics"))
    named = {str(name).rsplit(".", 1)[-1]: value for name, value in parameters.items()}
    if len(named) < len(parameters):
        raise source.error(f"{where}: two parameters have one name")
    if finite(named.get("concurrency")) != 1:
        load = "is not said" if "concurrency" not in named else text(named, "concurrency")
        source.skip(f"{where}: concurrency {load}: not one request at a time, left out")
        return
    completed = round(_of_sweep(source, metrics, "request_count_avg", where) or 1)
    figures = []
    for name, field in AIPERF_METRICS.items():
        value = _of_sweep(source, metrics, f"{field}_p50", where)
        if value:
            unit = text(mapping(metrics.get(f"{field}_p50")), "unit")
            how = ", mean over runs"
            figures.append(median_figure(name, value, unit, completed, AIPERF, how))
    yield load_record(
        source,
        AIPERF,
        model="",
        lengths=tuple(
            _of_sweep(source, metrics, f"{end}_sequence_length_avg", where)
            for end in ("input", "output")
        ),
        completed=completed,
        figures=tuple(figures),
        started=None,
        environment={},
        place=RecordPlace(source.name, at, unit="combination"),
        options={name: text(named, name) for name in named if name != "concurrency"},
    )


def _of_sweep(source: Source, metrics: JsonObject, field: str, where: str) -> float | None:
    return number(source, mapping(metrics.get(field)), "mean", f"{where}: {field}")


READERS = (AiperfCsvReader(), AiperfRequestsReader(), AiperfSweepReader())
