"""Figures for people: how pages, tables and sentences write a number, its interval, a chance."""

from __future__ import annotations

from collections.abc import Callable

from grid.results.statistics import Interval
from grid.units import format_bytes, format_seconds

ABSENT = "-"
"""Stands where nothing was measured."""


def number(value: float | None, digits: int = 3) -> str:
    """Significant digits, thousands with commas: `0.353`, `9,517`; a dash for None."""
    if value is None:
        return ABSENT
    if abs(value) >= 10**digits:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def interval(figure: Interval | None, write: Callable[[float], str] = number) -> str:
    """`812 [801, 823]`, for tables; the value alone where its interval is not known."""
    if figure is None:
        return ABSENT
    if figure.low is None or figure.high is None:
        return write(figure.value)
    return f"{write(figure.value)} [{write(figure.low)}, {write(figure.high)}]"


def interval_in_words(
    figure: Interval | None, write: Callable[[float], str] = number, unit: str = ""
) -> str:
    """`812 ms (801 to 823)`, for pages and sentences; the value alone without an interval."""
    if figure is None:
        return ABSENT
    if figure.low is None or figure.high is None:
        return f"{write(figure.value)}{unit}"
    return f"{write(figure.value)}{unit} ({write(figure.low)} to {write(figure.high)})"


def share(value: float | None) -> str:
    """A share or a probability: `75 %`; never rounded to none or to all: `<1 %`, `>99 %`."""
    if value is None:
        return ABSENT
    if 0 < value < 0.005:
        return "<1 %"
    if 0.995 < value < 1:
        return ">99 %"
    return f"{100 * value:.0f} %"


def probability_in_words(value: float) -> str:
    """`75 %`, `under 1 %`, `over 99 %`."""
    if value < 0.005:
        return "under 1 %"
    return "over 99 %" if value > 0.995 else f"{100 * value:.0f} %"


def percent(value: float) -> str:
    """A share with one decimal: `12.5 %`; zero has no sign."""
    return f"{round(100 * value, 1) + 0.0:.1f} %"


def score(value: float) -> str:
    """A capability, 0 for guessing and 1 for all right: `0.869`."""
    return f"{value:.3f}"


def divergence(value: float | None) -> str:
    """A KL divergence: `0.0039 nat`; `0 (as 16 bits)` where it is not above the noise floor."""
    if value is None:
        return ABSENT
    return f"{value:.3g} nat" if value else "0 (as 16 bits)"


def signed(value: float) -> str:
    """A difference of capabilities: `+0.012`."""
    return f"{value:+.3f}"


def signed_number(value: float) -> str:
    """A difference in significant digits: `+0.00421`."""
    return f"{value:+.3g}"


def p_value(value: float | None) -> str:
    """`0.012`, `<0.001`."""
    if value is None:
        return ABSENT
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def size(count: float | None) -> str:
    """Bytes: `1.5 GiB`; a dash for None."""
    return ABSENT if count is None else format_bytes(count)


def rate(tokens_s: float) -> str:
    """Tokens per second, the unit left to the column: `9,517`, `12.3`."""
    return f"{tokens_s:,.0f}" if tokens_s >= 100 else f"{tokens_s:.3g}"


def wait(seconds: float) -> str:
    """A time to wait: `0.35 ms` where whole milliseconds would say nothing, else as a duration."""
    return f"{1000 * seconds:.2g} ms" if seconds < 0.01 else format_seconds(seconds)
