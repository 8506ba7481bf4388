"""Whether figures of a bundle can be true: by their ranges, samples, memory and clocks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pyarrow as pa

from grid.cells.measurement import Measurement, Metric, Series
from grid.cells.workload import Workload
from grid.models.display_names import shorten, visible
from grid.results.derive import metrics_of
from grid.results.imports.bandwidth import bandwidth_of
from grid.results.merge_checks import impossible_attempts
from grid.units import GIB

FIRST_DAY = datetime(2023, 1, 1, tzinfo=UTC)
"""No row is older than the engines that it is of."""

MARGIN = 1.5
"""A rate may read so much more than the memory's bandwidth: clocks, weights that are skipped."""

ROUNDED = 1e-3
DERIVED = ("prefill", "decode", "latency")

_WORKLOAD = msgspec.json.Decoder(Workload)


def refusals(tables: Mapping[str, pa.Table]) -> dict[str, str]:
    """A line for each attempt that cannot be as it is said, by its id."""
    attempts = tables["attempts"]
    wrong = {
        key: shorten(line, 200)
        for key, line in impossible_attempts(attempts, tables["metrics"]).items()
    }
    figures, series = _figures(tables["metrics"]), _series(tables["samples"])
    for row in attempts.to_pylist():
        key = row["attempt_id"]
        reason = (
            _clock_fault(row, series[key])
            or _derivation_fault(row, figures[key], series[key])
            or _bandwidth_fault(row, figures[key])
        )
        if reason and key not in wrong:
            title = " ".join(str(row[name]) for name in ("model", "quant", "label"))
            wrong[key] = f"{shorten(visible(title), 60)}: {reason}"
    return wrong


def _figures(metrics: pa.Table) -> defaultdict[str, dict[str, dict[str, Any]]]:
    figures: defaultdict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for row in metrics.to_pylist():
        figures[row["attempt_id"]][row["name"]] = row
    return figures


def _series(samples: pa.Table) -> defaultdict[str, dict[str, list[float]]]:
    series: defaultdict[str, dict[str, list[float]]] = defaultdict(dict)
    for row in samples.to_pylist():
        series[row["attempt_id"]][row["name"]] = row["values"] or []
    return series


def _clock_fault(row: Mapping[str, Any], series: Mapping[str, list[float]]) -> str:
    started, now = row["started_at"], datetime.now(UTC)
    if started is not None and not FIRST_DAY <= started <= now + timedelta(days=1):
        return f"measured on {started.date()}, which cannot be"
    seconds = sum(series.get(f"{row['measure']}_s", series.get("e2e_s", ())))
    wall_s = row["wall_s"]
    if wall_s is not None and seconds > wall_s * (1 + ROUNDED):
        return f"its repetitions take {seconds:.4g} s, its whole run {wall_s:.4g} s"
    return ""


def _derivation_fault(
    row: Mapping[str, Any],
    figures: Mapping[str, Mapping[str, Any]],
    series: Mapping[str, list[float]],
) -> str:
    """Why the figures do not come of their samples; rates and times must."""
    if row["measure"] not in DERIVED:
        return ""
    if not figures.keys() & {f"{row['measure']}_tps", "e2e_s", "ttft_s"}:
        return "no figure of its measure"
    try:
        derived = _derive(row, series)
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        return f"no figures come of its samples ({shorten(visible(str(error)), 60)})"
    for name, figure in figures.items():
        ours = derived.get(name)
        if ours is None:
            return f"{name} has no samples"
        for end in ("value", "low", "high"):
            stated, expected = figure[end], getattr(ours, end)
            if stated is None and expected is None:
                continue
            if stated is None or expected is None or not _is_near(stated, expected):
                return f"{name}: {end} is {stated}, its samples give {expected}"
    return ""


def _derive(row: Mapping[str, Any], series: Mapping[str, list[float]]) -> dict[str, Metric]:
    workload = _WORKLOAD.decode(row["workload"] or "{}")
    many = {name: values for name, values in series.items() if name != "earlier_run_degrees"}
    scalars = {
        name: series[name][0]
        for name in ("earlier_run_sd", "earlier_run_degrees")
        if len(series.get(name, ())) == 1
    }
    measurement = Measurement(
        cell_id="",
        status="ok",
        series=tuple(Series(name=n, unit="s", values=tuple(v)) for n, v in many.items()),
        scalars=scalars,
    )
    metrics = metrics_of(row["measure"], workload, measurement)
    return {metric.name: metric for metric in metrics}


def _is_near(stated: float, expected: float) -> bool:
    return abs(stated - expected) <= ROUNDED * max(abs(stated), abs(expected))


def _bandwidth_fault(row: Mapping[str, Any], figures: Mapping[str, Mapping[str, Any]]) -> str:
    """Why memory cannot give the decode rate; small weights may lie in a cache."""
    rate = (figures.get("decode_tps") or {}).get("value")
    size = row["artifact_bytes"]
    if rate is None or not size:
        return ""
    active, whole = row["active_parameters"], row["parameters"]
    if active and whole:
        size = size * min(1.0, active / whole)
    if size < GIB:
        return ""
    try:
        measured = float(dict(row["environment"] or ()).get("bandwidth_bytes_s", 0))
    except ValueError:
        return "its bandwidth is no number"
    chip = bandwidth_of((row["hardware_class"] or "").partition(",")[0])
    bandwidth = chip or measured
    if not bandwidth:
        return "decode_tps of a memory whose bandwidth nobody says"
    if rate * size <= MARGIN * bandwidth:
        return ""
    return (
        f"decode_tps is {rate:.4g} token/s, which reads {rate * size / 1e9:,.0f} GB/s; the memory "
        f"gives {bandwidth / 1e9:,.0f}"
    )
