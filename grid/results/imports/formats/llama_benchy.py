"""llama-benchy's JSON report: prompts and generation through a server, by context and concurrency.

Its rates are seen from outside the server: a prompt's is its tokens over the time to the first
response, less the network's. Runs of one request at a time are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grid.cells.measurement import Metric, Series
from grid.results import statistics
from grid.results.imports import metric
from grid.results.imports.record import (
    FigureOrigin,
    Record,
    RecordPlace,
    latency_run,
    speed_run,
)
from grid.results.imports.server_weights import named_weights
from grid.results.imports.source import Source
from grid.results.imports.values import (
    JsonObject,
    count,
    epoch_seconds,
    finite,
    mapping,
    text,
    texts,
)

ORIGIN = FigureOrigin("llama-benchy")

_FACTS = ("version", "latency_mode", "prompt_source", "dataset_revision")
_FIELDS = frozenset({"benchmarks", "latency_mode", "model", "max_concurrency"})


class BenchyReader:
    """The report of `--save-result`."""

    name = "llama-benchy"
    description = "llama-benchy --save-result FILE --format json, of one request at a time"
    origin = ORIGIN
    selectable = True

    def recognizes(self, source: Source) -> bool:
        return any(_is_report(part.value) for part in source.json_parts)

    def records(self, source: Source) -> Iterator[Record]:
        for part in source.json_parts:
            if _is_report(part.value):
                runs = part.value["benchmarks"]
                for number, run in enumerate(runs if isinstance(runs, list) else [], 1):
                    with source.refusing():
                        yield from _records(source, part.value, mapping(run), number)


def _is_report(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() >= _FIELDS


def _records(source: Source, report: JsonObject, run: JsonObject, number: int) -> Iterator[Record]:
    where = f"benchmark {number}"
    if count(source, run, "concurrency", where) != 1:
        source.skip(f"{where}: several requests at once are left out")
        return
    depth = count(source, run, "context_size", where) or 0
    prompt = count(source, run, "prompt_size", where) or 0
    generated = count(source, run, "response_size", where) or 0
    if run.get("is_context_prefill_phase"):
        prompt, depth, generated = depth, 0, 0
    weights = named_weights(source, text(report, "model"))
    common: dict[str, Any] = {
        "origin": ORIGIN,
        "weights": weights,
        "backend": "unnamed server",
        "engine_version": "",
        "options": {"prefix_caching": bool(report.get("prefix_caching_enabled"))},
        "hardware": source.hardware_named(""),
        "device_kind": "unknown",
        "started_at": epoch_seconds(report.get("timestamp")),
        "environment": texts(report, _FACTS),
        "place": RecordPlace(source.name, number, unit="benchmark"),
    }
    for kind, tokens, field, held in (
        ("prefill", prompt, "pp_throughput", depth),
        ("decode", generated, "tg_throughput", depth + prompt),
    ):
        rated = _rate(source, run, field, f"{kind}_tps", where)
        if rated is not None and tokens:
            figure, series = rated
            yield Record(
                **common, **speed_run(kind, tokens, held), figures=(figure,), samples=(series,)
            )
    first = _values(source, mapping(run.get("e2e_ttft")), f"{where}: e2e_ttft")
    if first and prompt and generated:
        ttft = statistics.time_interval([value / 1000 for value in first])
        yield Record(
            **common,
            **latency_run(depth + prompt, generated, len(first)),
            figures=(metric.of_interval("ttft_s", ttft, ORIGIN.name),),
            samples=(Series("ttft_s", "s", tuple(value / 1000 for value in first)),),
        )


def _rate(
    source: Source, run: JsonObject, field: str, name: str, where: str
) -> tuple[Metric, Series] | None:
    """The mean rate with the interval of its repetitions; None where the run has none."""
    values = _values(source, mapping(run.get(field)), f"{where}: {field}")
    if not values:
        return None
    interval = statistics.rate_interval(values)
    return metric.of_interval(name, interval, ORIGIN.name), Series(name, "token/s", values)


def _values(source: Source, figure: Mapping[str, Any], where: str) -> tuple[float, ...]:
    """A figure's repetitions, all above 0. Raises InputError where they are no such numbers, or its
    mean is not theirs."""
    raw = figure.get("values")
    values = [finite(value) for value in (raw if isinstance(raw, list) else [])]
    numbers = tuple(value for value in values if value is not None and value > 0)
    if len(numbers) != len(values):
        raise source.error(f"{where} has values that are no positive numbers")
    mean = finite(figure.get("mean"))
    if numbers and (mean is None or not min(numbers) * 0.99 <= mean <= max(numbers) * 1.01):
        raise source.error(f"{where}: its mean is not that of its values")
    return numbers


READERS = (BenchyReader(),)
