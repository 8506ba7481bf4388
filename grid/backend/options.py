"""Options of an engine: how each is checked, and how a user's become complete.

CHECKS = {"threads": whole_number(0, 4096), "dtype": one_of("auto", "float32")}
DEFAULTS = {"threads": 0, "dtype": "auto"}

def complete(requested, node):
    return complete_options("myengine", requested, CHECKS, DEFAULTS)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from grid.cells.cell import Options
from grid.errors import InputError, did_you_mean

Check = Callable[[str, Any], str | int | float | bool]
"""Takes an option's name and the value that a user wrote; returns the value that is used. Raises
InputError, one line."""

NOISE_BATCHES = (48, 40)
"""Batches of tokens for `noise_options`. They divide no usual length of a text, and are shorter
than each: a smaller power of two would leave a text of that length in one piece, and nothing would
differ."""


def complete_options(
    backend: str,
    requested: Mapping[str, Any],
    checks: Mapping[str, Check],
    defaults: Mapping[str, Any],
) -> Options:
    """`defaults` with what was requested in their place, each value checked. Raises InputError for
    an option that has no check, naming the nearest that has one."""
    for name in requested:
        if name not in checks:
            hint = did_you_mean(name, checks)
            raise InputError(f"option {name!r} is unknown to {backend}. {hint}")
    return {**defaults, **{name: checks[name](name, value) for name, value in requested.items()}}


def whole_number(low: int, high: int) -> Check:
    """A whole number from `low` to `high`."""

    def check(name: str, value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise InputError(
                f"option {name} = {value!r}: write a whole number from {low} to {high}"
            )
        return value

    return check


def one_of(*choices: str) -> Check:
    """One of some words."""

    def check(name: str, value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            hint = did_you_mean(str(value), choices)
            raise InputError(f"option {name} = {value!r} is unknown. {hint}")
        return value

    return check


def flag(name: str, value: Any) -> bool:
    """True or false."""
    if type(value) is not bool:
        raise InputError(f"option {name} = {value!r}: write true or false")
    return value


def noise_batch(batch: int) -> int:
    """Another number of tokens at once than `batch`, for `noise_options`."""
    return next(size for size in NOISE_BATCHES if size != batch)


def noise_threads(threads: int) -> int:
    """Another number of threads than `threads`, for `noise_options`."""
    return threads - 1 if threads > 1 else 2
