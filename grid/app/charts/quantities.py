"""Quantities of a variant that charts have axes for: value and interval in the unit shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from grid.analysis import Axis, Variant
from grid.app.charts.theme import Scale, byte_scale
from grid.results.statistics import Interval
from grid.units import format_bytes


def interval_of(variant: Variant, axis: Axis) -> Interval | None:
    """Value and 95 % interval in the axis's unit; without one where the figure is exact."""
    if axis.name == "artifact_bytes":
        return Interval(float(variant.artifact_bytes)) if variant.artifact_bytes else None
    found: Interval | None = getattr(variant, axis.name)
    return found


MOST_SERIES = 12
"""Colours that a chart tells apart at most."""


def series_by(variants: Iterable[Variant]) -> Callable[[Variant], str]:
    """The name of what shares a colour on a chart: a model; of too many models a family; of too
    many families all."""
    given = list(variants)
    for field in ("model", "family"):
        if len({getattr(variant, field) for variant in given}) <= MOST_SERIES:
            return lambda variant: str(getattr(variant, field))
    return lambda variant: "variants"


def scale_of(axis: Axis, values: Iterable[float]) -> Scale:
    """The unit that an axis is drawn in."""
    if axis.unit == "B":
        return byte_scale(values)
    return Scale("" if axis.unit == "1" else axis.unit, 1.0)


def title_of(axis: Axis, scale: Scale) -> str:
    """`decode rate, token/s`."""
    name = "quality (capability)" if axis.name == "capability" else axis.title
    return f"{name}, {scale.unit}" if scale.unit else name


def written(value: float | None, axis: Axis) -> str:
    """A value for people, with its unit; a dash for what was not measured."""
    if value is None:
        return "-"
    if axis.unit == "B":
        return format_bytes(value)
    unit = "" if axis.unit == "1" else f" {axis.unit}"
    return f"{value:.3f}{unit}" if axis.unit == "1" else f"{short(value)}{unit}"


def short(value: float | None, digits: int = 3) -> str:
    """Three significant digits; a dash for None."""
    if value is None:
        return "-"
    if abs(value) >= 10**digits:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def ranged(value: float, low: float | None, high: float | None, axis: Axis) -> str:
    """`0.869 (0.826 to 0.898)`; only the value where no interval is known."""
    if low is None or high is None:
        return written(value, axis)
    if axis.unit == "1":
        return f"{value:.3f} ({low:.3f} to {high:.3f})"
    return f"{written(value, axis)} ({short(low)} to {short(high)})"


def share(value: float | None) -> str:
    """A share as per cent, without ever rounding to sure."""
    if value is None:
        return "-"
    if 0 < value < 0.005:
        return "<1 %"
    if 0.995 < value < 1:
        return ">99 %"
    return f"{value:.0%}".replace("%", " %")


@dataclass(frozen=True)
class Bars:
    """Arms of interval bars in the shown unit; 0 where there is no interval."""

    plus: list[float]
    minus: list[float]

    @property
    def any(self) -> bool:
        return any(self.plus) or any(self.minus)


def bars(found: Sequence[Interval], factor: float) -> Bars:
    """A value outside its interval (a mean beside a median's) has an arm to one side only."""
    plus = [max(0.0, (i.high - i.value)) / factor if i.high is not None else 0.0 for i in found]
    minus = [max(0.0, (i.value - i.low)) / factor if i.low is not None else 0.0 for i in found]
    return Bars(plus, minus)
