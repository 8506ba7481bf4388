"""llmfit's community benchmarks: mean latencies of a model on a machine, one request at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from grid.cells.measurement import Metric
from grid.results.imports import metric
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
    mapping,
    number,
    text,
    texts,
)

ORIGIN = FigureOrigin("llmfit", "MIT (llmfit)")

_BACKENDS = {"ollama": ("ollama", "gguf"), "mlx": ("mlx", "mlx"), "llamacpp": ("llama.cpp", "gguf")}
"""The engine and the format of its files, by llmfit's word for the provider."""

_PLATFORMS = {"macos": "metal"}
_FACTS = ("cpu", "cpuCores", "ramGb", "vramGb", "gpuCount", "os", "hwClass")


class LlmfitReader:
    """A submission: one machine, and a result for each model."""

    name = "llmfit"
    description = "llmfit bench --share: a community benchmark"
    origin = ORIGIN
    selectable = True

    def recognizes(self, source: Source) -> bool:
        return any(_is_submission(part.value) for part in source.json_parts)

    def records(self, source: Source) -> Iterator[Record]:
        for part in source.json_parts:
            if _is_submission(part.value):
                for at, result in enumerate(part.value["results"], 1):
                    with source.refusing():
                        yield _record(source, part.value, mapping(result), at)


def _is_submission(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and mapping(value.get("tool")).get("name") == "llmfit"
        and isinstance(value.get("results"), list)
    )


def _record(source: Source, submission: JsonObject, result: JsonObject, at: int) -> Record:
    where = f"result {at}"
    hardware = mapping(submission.get("hardware"))
    provider = text(result, "provider").lower()
    backend, form = _BACKENDS.get(provider, (provider or "unnamed server", ""))
    tokens = number(source, result, "avgOutputTokens", where)
    runs = count(source, result, "numRuns", where) or 1
    if not tokens or tokens < 2:
        raise source.error(f"{where}: avgOutputTokens is too few to time")
    return Record(
        origin=ORIGIN,
        weights=named_weights(source, text(result, "model"), form),
        **latency_run(0, round(tokens), runs),
        backend=backend,
        hardware=source.hardware_named(text(hardware, "hardwareName")),
        device_kind=_PLATFORMS.get(text(hardware, "os"), "unknown"),
        figures=_figures(source, result, tokens, runs, where),
        started_at=epoch_seconds(submission.get("submittedAtUnix")),
        environment=texts(hardware, _FACTS)
        | {"llmfit": text(mapping(submission.get("tool")), "version")},
        place=RecordPlace(source.name, at, unit="result"),
    )


def _figures(
    source: Source, result: JsonObject, tokens: float, runs: int, where: str
) -> tuple[Metric, ...]:
    """Latencies, which are means here. `avgTps` is all tokens over the whole time, the prompt's
    included, and so no decode rate."""
    whole = number(source, result, "avgTotalMs", where)
    first = number(source, result, "avgTtftMs", where)
    if not whole:
        raise source.error(f"{where}: avgTotalMs is missing")
    if first is not None and first > whole:
        raise source.error(f"{where}: the first token comes after the last")
    how = "mean over requests, not the median"
    figures = [metric.figure("e2e_s", whole, ORIGIN.name, n=runs, unit="ms", how=how)]
    if first:
        gap = (whole - first) / (tokens - 1)
        figures.append(metric.figure("ttft_s", first, ORIGIN.name, n=runs, unit="ms", how=how))
        figures.append(metric.figure("tpot_s", gap, ORIGIN.name, n=runs, unit="ms", how=how))
    return tuple(figures)


READERS = (LlmfitReader(),)
