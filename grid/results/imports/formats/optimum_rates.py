"""Rates of optimum-benchmark in token/s, whatever unit the report states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grid.results.imports.cleaning import quote
from grid.results.imports.source import Source
from grid.results.imports.units import factor
from grid.results.imports.values import mapping, number, text

_SAMPLES = ("samples/s", "sample/s", "requests/s", "request/s")
_AGREEMENT = 0.05
"""How far throughput and latency of a phase may be apart: some versions count a token more."""


class NoRate(ValueError):
    """A phase whose rate cannot be told; the others are read."""


def rate_of(source: Source, part: Mapping[str, Any], phase: str, tokens: int) -> float | None:
    """token/s of the throughput in the unit that it states, which must be that of the latency; None
    where a phase has neither. A sample is one request: all its tokens of the phase.

    Raises NoRate for a unit that is none, or where the two do not agree.
    """
    throughput, latency = mapping(part.get("throughput")), mapping(part.get("latency"))
    stated = number(source, throughput, "value", f"{phase}.throughput")
    mean = number(source, latency, "mean", f"{phase}.latency")
    by_time = tokens / (mean * seconds_scale(latency, phase)) if mean else None
    values = durations_of(source, latency, phase)
    if by_time is None and values:
        by_time = tokens * len(values) / sum(values)
    if not stated:
        return by_time
    unit = text(throughput, "unit").lower() or "tokens/s"
    scale = tokens if unit in _SAMPLES else factor(unit, "token/s")
    if scale is None:
        raise NoRate(f"{phase}.throughput is in {quote(unit)}; tokens/s and samples/s are known")
    rate = stated * scale
    if by_time is not None and abs(rate / by_time - 1) > _AGREEMENT:
        raise NoRate(
            f"{phase}: throughput says {rate:.6g} token/s, latency {by_time:.6g}: one is wrong"
        )
    return rate


def durations_of(source: Source, latency: Mapping[str, Any], phase: str) -> tuple[float, ...]:
    """Seconds of each repetition."""
    durations = latency.get("values")
    if not isinstance(durations, list):
        return ()
    where = f"{phase}.latency"
    numbers = [number(source, {"values": duration}, "values", where) for duration in durations]
    if not all(numbers):
        raise source.error(f"{where}: a repetition without a duration")
    scale = seconds_scale(latency, phase)
    return tuple(value * scale for value in numbers if value)


def seconds_scale(latency: Mapping[str, Any], phase: str) -> float:
    """What the latency's numbers are multiplied by to be seconds. Raises NoRate for no time."""
    unit = text(latency, "unit") or "s"
    scale = factor(unit, "s")
    if scale is None:
        raise NoRate(f"{phase}.latency is in {quote(unit)}; s and ms are known")
    return scale
