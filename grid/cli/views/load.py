"""Loads against an endpoint, for people and as JSON."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.status import Status

from grid.cells.load import ServerLoad
from grid.cells.measurement import Metric
from grid.cli.views.console import console, print_json, table
from grid.results.imports.endpoint_load import EndpointLoad, ServedModel

_COLUMNS = {
    "req/s": "request_throughput",
    "tok/s": "output_throughput",
    "TTFT p50": "ttft_s",
    "p99": "ttft_p99_s",
    "TPOT p50": "tpot_s",
    "p99 ": "tpot_p99_s",
    "in SLO": "slo_share",
    "failed": "error_share",
}


class LoadProgress:
    """A line on standard error, where that is a terminal, of how far a load is."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._status: Status | None = None
        self._label = ""
        self._last = 0.0

    def __enter__(self) -> LoadProgress:
        if self._console.is_terminal and sys.stderr.isatty():
            self._status = self._console.status("")
            self._status.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._status is not None:
            self._status.stop()

    def begin(self, workload: ServerLoad) -> None:
        self._label = workload.label
        self.update(0, 0, "requests")

    def update(self, done: int, total: int, unit: str) -> None:
        """`total` 0: nobody knows how many."""
        if self._status is not None and time.perf_counter() - self._last > 0.25:
            self._last = time.perf_counter()
            self._status.update(f"{self._label}: {done:,} {unit}")


def print_loads(model: ServedModel, done: Sequence[EndpointLoad], stopped: str = "") -> None:
    """A row for each load, then what is to be known of them."""
    out = console()
    rows = [_row(load) for load in done]
    heads = ["load", *_COLUMNS]
    shown = [place for place in range(len(heads)) if not place or any(row[place] for row in rows)]
    cells = [[row[place] for place in shown] for row in rows]
    out.print(f"{model.name}: {_lengths(done[0].workload)}")
    out.print(
        table(
            [heads[place].strip() for place in shown],
            cells,
            right=range(1, len(shown)),
        )
    )
    for line in dict.fromkeys(line for load in done for line in _notes(load)):
        out.print(line)
    if stopped:
        out.print(stopped)


def _row(load: EndpointLoad) -> list[str]:
    metrics = {metric.name: metric for metric in load.metrics}
    cells = [_how(load, metrics)]
    for name in _COLUMNS.values():
        metric = metrics.get(name)
        cells.append("" if metric is None or metric.value is None else _figure(metric))
    if not metrics["error_share"].value:
        cells[-1] = ""
    return cells


def _how(load: EndpointLoad, metrics: dict[str, Metric]) -> str:
    workload = load.workload
    if workload.search:
        return f"{metrics['slo_request_rate'].low:.3g}/s"
    return f"c{workload.concurrency}" if workload.arrivals == "closed" else f"{workload.rate:g}/s"


def _figure(metric: Metric) -> str:
    value = metric.value or 0.0
    if metric.unit == "s":
        return f"{1000 * value:.3g} ms" if value < 1 else f"{value:.3g} s"
    if metric.unit == "1":
        return f"{value:.1%}"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _lengths(load: ServerLoad) -> str:
    prompts = "prompts of a file" if load.prompts_sha256 else f"prompts of {load.prompt.text}"
    shared = f" after {load.shared_prefix} shared" if load.shared_prefix else ""
    return f"{prompts}{shared}, answers of {load.output.text} tokens"


def _notes(load: EndpointLoad) -> list[str]:
    """What a reader must know before using a row's figures."""
    how, facts = load.workload.label, load.measurement.environment
    metrics = {metric.name: metric for metric in load.metrics}
    lines = []
    if load.workload.search:
        rate, limits = metrics["slo_request_rate"], load.workload.slo.limits
        limits_text = ", ".join(
            f"{name.removesuffix('_s')} {1000 * s:g} ms" for name, s in limits.items()
        )
        high = f"{rate.high:.3g}" if rate.high is not None else "?"
        lines.append(
            f"largest rate: {rate.value:.3g} requests/s ({rate.low:.3g} to {high}), at which "
            f"{load.workload.slo.attainment:.0%} keep {limits_text}; the row is of {rate.low:.3g}/s"
        )
    if facts.get("errors"):
        lines.append(f"{how}: failed: {facts['errors']}")
    if facts.get("client"):
        lines.append(f"{how}: this client {facts['client']}")
    counted_by = facts.get("tokens_counted_by", "")
    if "output_throughput" not in metrics:
        lines.append(f"{how}: tokens of some answers are not known (counted by {counted_by})")
    return lines


def print_json_loads(model: ServedModel, done: Sequence[EndpointLoad], stopped: str = "") -> None:
    """Every load with its metrics; `stopped` says why there are no more."""
    loads: list[dict[str, Any]] = [
        {
            "label": load.workload.label,
            "workload": msgspec.to_builtins(load.workload),
            "environment": load.measurement.environment,
            "metrics": {metric.name: msgspec.to_builtins(metric) for metric in load.metrics},
        }
        for load in done
    ]
    print_json({"model": model.name, "loads": loads, "stopped": stopped})
