"""Quantities of a variant that charts have axes for: value and interval in the unit shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from grid.analysis import Axis, Variant
from grid.analysis.figures import interval_in_words, number, score
from grid.app.charts.theme import Scale, byte_scale
from grid.results.statistics import Interval
from grid.units import format_bytes

MOST_SERIES = 6
"""Colours that a chart tells apart at most."""


def series_by(variants: Iterable[Variant]) -> Callable[[Variant], str]:
    """The name of what shares a colour on a chart: a model; of too many models a family; of too
    many families all."""
    group = list(variants)
    for field in ("model", "family"):
        if len({getattr(variant, field) for variant in group}) <= MOST_SERIES:
            return lambda variant: str(getattr(variant, field))
    return lambda variant: "variants"


def scale_of(axis: Axis, values: Iterable[float]) -> Scale:
    """The unit that an axis is drawn in."""
    if axis.unit == "B":
        return byte_scale(values)
    return Scale("" if axis.unit == "1" else axis.unit, 1.0)


_TITLES = {
    "capability": "quality (capability)",
    "kld_mean": "KLD from 16 bits (up is closer)",
    "perplexity": "perplexity (up is less)",
}


def title_of(axis: Axis, scale: Scale) -> str:
    """`decode rate, token/s`."""
    name = _TITLES.get(axis.name, axis.title)
    return f"{name}, {scale.unit}" if scale.unit else name


def axis_text(figure: Interval | None, axis: Axis) -> str:
    """`0.869 (0.826 to 0.898)`: value, unit, and the interval where it has one."""
    if axis.unit == "B":
        return interval_in_words(figure, format_bytes)
    if axis.name == "kld_mean" and figure is not None and not figure.value:
        return "0 (as 16 bits)"
    if axis.name == "perplexity":
        return interval_in_words(figure, lambda value: number(value, 5))
    if axis.unit == "1":
        return interval_in_words(figure, score)
    return interval_in_words(figure, unit=f" {axis.unit}")


@dataclass(frozen=True)
class Bars:
    """Arms of interval bars in the shown unit; 0 where there is no interval."""

    plus: list[float]
    minus: list[float]

    @property
    def any(self) -> bool:
        return any(self.plus) or any(self.minus)


def bars(intervals: Sequence[Interval], factor: float) -> Bars:
    """A value outside its interval (a mean beside a median's) has an arm to one side only."""
    plus = [max(0.0, (i.high - i.value)) / factor if i.high is not None else 0.0 for i in intervals]
    minus = [max(0.0, (i.value - i.low)) / factor if i.low is not None else 0.0 for i in intervals]
    return Bars(plus, minus)
