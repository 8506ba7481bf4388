"""Checks of figures as columns: of one report, or of the million rows of a store that is merged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from grid.cells.measurement import Metric
from grid.results.metrics import METRICS

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBERS = ("value", "low", "high", "sd")
_INFINITE = (-np.inf, np.inf)
_TINY = 1e-300
_SHARES = ("accuracy", "chance", "same_top1", "page_cache_share", "slo_share", "error_share")
_KLD_FLOOR, _KLD_MIN_FLOOR = -0.01, -0.5
"""nat; engines store references in 16 bits, by which a divergence may come out below zero: a little
in the mean, and more of a single token."""
_FASTEST = 1e8
"""token/s; ten thousand times what a rack reads of the smallest model that is of use."""
_ROUNDED = 1e-3
"""How far a figure may be outside its interval by rounding, relative to the figure."""


class FigureColumns(NamedTuple):
    """Figures as arrays of equal length: `name` and `unit` are places in `names` and `units`, NaN
    stands for a number that is absent."""

    names: Sequence[str]
    name: npt.NDArray[np.int64]
    units: Sequence[str]
    unit: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    sd: npt.NDArray[np.float64]

    @classmethod
    def of(cls, figures: Sequence[Metric]) -> FigureColumns:
        """The columns of figures."""
        numbers = [
            np.array([getattr(figure, name) for figure in figures], dtype=np.float64)
            for name in _NUMBERS
        ]
        names, name = _codes([figure.name for figure in figures])
        units, unit = _codes([figure.unit for figure in figures])
        return cls(names, name, units, unit, *numbers)

    @classmethod
    def of_table(cls, metrics: pa.Table) -> FigureColumns:
        """The columns of rows of the table `metrics`."""
        numbers = [metrics[name].to_numpy() for name in _NUMBERS]
        coded: list[Any] = []
        for name in ("name", "unit"):
            encoded = metrics[name].combine_chunks().dictionary_encode()
            coded += [encoded.dictionary.to_pylist(), encoded.indices.to_numpy(False)]
        return cls(*coded, *numbers)


def _codes(texts: Sequence[str]) -> tuple[list[str], npt.NDArray[np.int64]]:
    places = {text: at for at, text in enumerate(dict.fromkeys(texts))}
    return list(places), np.array([places[text] for text in texts], dtype=np.int64)


def limits_of(name: str) -> tuple[float, float]:
    """The range in which the metric can be, in our unit."""
    if name == "perplexity":
        return 1.0, np.inf
    if name.startswith("kld_"):
        return (_KLD_MIN_FLOOR if name == "kld_min" else _KLD_FLOOR), np.inf
    if name in _SHARES:
        return 0.0, 1.0
    if name == "capability":
        return -np.inf, 1.0
    if name == "dp_rms":
        return 0.0, 1.0
    if name.startswith("dp_"):
        return -1.0, 1.0
    if name.endswith(("_tps", "_tps_median")):
        return _TINY / 2, _FASTEST
    return (0.0, np.inf) if name.endswith(("_bytes", "_s", "_j_per_token")) else _INFINITE


def faults(columns: FigureColumns) -> dict[int, str]:
    """Why figures cannot be true, by their position; nothing of those that can."""
    reasons: dict[int, str] = {}
    for code, name in enumerate(columns.names):
        if name in METRICS:
            _check(name, np.flatnonzero(columns.name == code), columns, reasons)
    return reasons


def _check(
    name: str, at: npt.NDArray[np.int64], columns: FigureColumns, reasons: dict[int, str]
) -> None:
    ours, limits = METRICS[name].unit, limits_of(name)
    value = columns.value[at]
    units = [unit == ours for unit in columns.units]
    for i in at[~np.array(units, dtype=bool)[columns.unit[at]]]:
        unit = columns.units[columns.unit[i]]
        reasons[int(i)] = f"{name} is in {unit!r}, not in {ours}"
    for i in at[(value < limits[0]) | (value > limits[1]) | np.isinf(value)]:
        reasons.setdefault(
            int(i), f"{name} is {columns.value[i]:.6g}, which {_range(*limits, columns.value[i])}"
        )
    for i in at[_outside_interval(name, at, columns)]:
        low, high = columns.low[i], columns.high[i]
        reasons.setdefault(
            int(i),
            f"{name} is {columns.value[i]:.6g}, outside its own interval {low:.6g} to {high:.6g}",
        )


def _outside_interval(
    name: str, at: npt.NDArray[np.int64], columns: FigureColumns
) -> npt.NDArray[np.bool_]:
    """Figures outside their interval. That of a rate is of the median: its mean may be above it by
    exp(variance of the log / 2), which is sqrt(1 + cv^2) of a log-normal rate."""
    value, low, high, sd = (c[at] for c in (columns.value, columns.low, columns.high, columns.sd))
    slack = _ROUNDED * np.abs(value)
    if name.endswith("_tps"):  # an infinite end holds all values
        high = np.minimum(high, np.finfo(np.float64).max)
        cv = np.nan_to_num(sd) / np.maximum(np.abs(value), _TINY)
        slack = slack + np.abs(high) * (np.sqrt(1 + np.minimum(cv, 1e6) ** 2) - 1)
    outside: npt.NDArray[np.bool_] = (value < low - slack) | (value > high + slack)
    return outside


def _range(lowest: float, highest: float, value: float) -> str:
    """The range in words, as the end of `which ...`."""
    if lowest >= 0 > value:
        return "cannot be negative"
    if np.isinf(highest):
        return "must be above 0" if 0 < lowest < _TINY else f"must be {lowest:g} or more"
    if np.isinf(lowest):
        return f"must be {highest:g} or less"
    return f"must be from {0 if 0 < lowest < _TINY else lowest:g} to {highest:g}"
