"""Units as tools print them -> the units of our metrics."""

from __future__ import annotations

import math

import msgspec

from grid.cells.measurement import Metric
from grid.results.metrics import METRICS
from grid.units import GIB, KIB, MIB

_FACTORS: dict[str, dict[str, float]] = {
    "token/s": dict.fromkeys(("token/s", "tokens/s", "tok/s", "t/s", "tps", "tokens/sec"), 1.0),
    "s": {
        "s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "milliseconds": 1e-3, "us": 1e-6,
        "µs": 1e-6, "ns": 1e-9,
    },
    "B": {
        "b": 1.0, "byte": 1.0, "bytes": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
        "kib": KIB, "mib": MIB, "gib": GIB, "tib": 1024.0 * GIB,
    },
    "J": {"j": 1.0, "joule": 1.0, "joules": 1.0, "mj": 1e-3, "kj": 1e3, "wh": 3600.0, "kwh": 3.6e6},
    "J/token": {"j/token": 1.0, "j/tok": 1.0, "mj/token": 1e-3},
    "1": {"1": 1.0, "": 1.0, "%": 0.01, "percent": 0.01},
    "nat": {"nat": 1.0, "nats": 1.0, "": 1.0, "bit": math.log(2), "bits": math.log(2)},
    "bit/B": {"bit/b": 1.0, "bits/byte": 1.0, "bpb": 1.0},
    "parameters": {"1": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12},
}  # fmt: skip
"""Factor to our unit, by our unit and the lower-case spelling of the source's."""


def factor(unit: str, ours: str) -> float | None:
    """What a value in `unit` is multiplied by to be in our unit; None where it is another kind of
    quantity: samples/s are no token/s."""
    if unit == ours:
        return 1.0
    if ours == "B" and unit[-1:] == "b":  # Gb are bits
        return None
    return _FACTORS.get(ours, {}).get(" ".join(unit.split()).lower())


def is_unit(text: str) -> bool:
    """Whether a text is a unit of any kind, or is written as a rate is."""
    lowered = text.lower()
    return "/" in text or any(lowered in spellings for spellings in _FACTORS.values() if lowered)


def in_our_unit(figure: Metric) -> Metric | None:
    """A figure in the unit of its metric; None where its unit measures something else."""
    ours = METRICS[figure.name].unit
    scale = factor(figure.unit, ours)
    if scale is None:
        return None
    if scale == 1:
        return figure if figure.unit == ours else msgspec.structs.replace(figure, unit=ours)
    scaled = {
        name: value * scale
        for name in ("value", "low", "high", "sd")
        if (value := getattr(figure, name)) is not None
    }
    return msgspec.structs.replace(figure, unit=ours, **scaled)
