"""`vllm bench serve --save-result`: latencies of requests to a server, one at a time.

Rows hold one request at a time. A file of several requests at once is left out: its latencies are
those of a load.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from grid.cells.cell import Options
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
from grid.results.imports.values import JsonObject, count, finite, number, text, texts

ORIGIN = FigureOrigin("vllm bench serve")

_FIELDS = frozenset({"model_id", "request_throughput", "total_output_tokens", "median_ttft_ms"})
_METRICS = {"ttft_s": "ttft", "tpot_s": "tpot", "e2e_s": "e2el", "itl_p50_s": "itl"}
"""Our metrics, which are medians, by the middle of the report's names: `median_ttft_ms`."""

_ENGINES = {
    "tgi": "tgi", "tensorrt-llm": "tensorrt-llm", "deepspeed-mii": "deepspeed-mii",
    "sglang": "sglang", "lmdeploy": "lmdeploy", "scalellm": "scalellm", "llama.cpp": "llama.cpp",
}  # fmt: skip
"""The engine by the protocol that was asked for. `vllm` and `openai` are that of any server, and
the tool's defaults."""

_FACTS = frozenset({
    "date", "label", "model_id", "num_prompts", "max_concurrency", "request_rate", "duration",
    "completed", "failed", "total_input_tokens", "total_output_tokens", "request_throughput",
    "request_goodput", "output_throughput", "total_token_throughput", "max_output_tokens_per_s",
    "max_concurrent_requests",
})  # fmt: skip
_FIGURE = re.compile(r"(?:mean|median|std|p[\d.]+)_\w+_ms|rps_\w+|ramp_up_\w+|spec_decode_\w+")
_SPECULATIVE = "spec_decode_num_drafts"
"""Counted by vLLM's own metrics: where it is there, the server is vLLM."""
_DATE = "%Y%m%d-%H%M%S"


class ServeReader:
    """The JSON of one run, or a line for each."""

    name = "vllm-bench-serve"
    description = "vllm bench serve --save-result, of one request at a time"
    origin = ORIGIN
    selectable = True

    def recognizes(self, source: Source) -> bool:
        return any(_is_run(part.value) for part in source.json_parts)

    def records(self, source: Source) -> Iterator[Record]:
        for part in source.json_parts:
            if _is_run(part.value):
                with source.refusing():
                    yield from _record(source, part.value, part.line)


def _is_run(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() >= _FIELDS


def _record(source: Source, run: JsonObject, line: int) -> Iterator[Record]:
    where = f"line {line}"
    completed = count(source, run, "completed", where) or 0
    if not completed:
        raise source.error(f"{where}: no request was completed")
    if _concurrency(source, run, where, completed) != 1:
        source.skip(f"{where}: a load of several requests at once is left out")
        return
    lengths = [count(source, run, f"total_{end}_tokens", where) for end in ("input", "output")]
    prompt, generated = (round((total or 0) / completed) for total in lengths)
    if not prompt or not generated:
        raise source.error(f"{where}: no tokens in or out are said")
    yield Record(
        origin=ORIGIN,
        weights=named_weights(source, text(run, "model_id")),
        **latency_run(prompt, generated, completed),
        backend=_engine(run),
        options=_options(run),
        hardware=source.hardware_named(""),
        device_kind="unknown",
        figures=tuple(_figures(source, run, completed, where)),
        started_at=_started(text(run, "date")),
        place=RecordPlace(source.name, line),
    )


def _engine(run: JsonObject) -> str:
    """What served: as the run's own notes say, else by what only one engine answers."""
    stated = text(run, "engine") or text(run, "framework")
    protocol = (text(run, "backend") or text(run, "endpoint_type")).lower()
    engine = "vllm" if _SPECULATIVE in run else _ENGINES.get(protocol)
    return stated.lower() or engine or "unnamed server"


def _options(run: JsonObject) -> Options:
    """All that is neither a figure nor a fact; the user's own notes (`tp=2`) are among it."""
    names = (name for name in run if name not in _FACTS and not _FIGURE.fullmatch(name))
    options: Options = dict(texts(run, names))
    return options | ({"speculative_decoding": True} if _SPECULATIVE in run else {})


def _concurrency(source: Source, run: JsonObject, where: str, completed: int) -> int:
    """How many requests ran at once: the stated bound; without it by the time that they took
    together, which one after the other takes its sum."""
    stated = count(source, run, "max_concurrency", where)
    if stated is not None:
        return stated
    duration, mean = number(source, run, "duration", where), finite(run.get("mean_e2el_ms"))
    if completed == 1:
        return 1
    if duration and mean and math.isclose(duration, completed * mean / 1000, rel_tol=0.02):
        return 1
    return 0


def _figures(source: Source, run: JsonObject, completed: int, where: str) -> Iterator[Metric]:
    for name, word in _METRICS.items():
        value = number(source, run, f"median_{word}_ms", where)
        if value:
            yield metric.figure(
                name, value, ORIGIN.name, n=completed, unit="ms", how="median over requests"
            )


def _started(written: str) -> float | None:
    try:
        return datetime.strptime(written, _DATE).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


READERS = (ServeReader(),)
