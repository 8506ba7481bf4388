"""Backends by name, found as entry points of installed distributions."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from grid.backend import ENTRY_POINT_GROUP, Backend
from grid.errors import InputError, did_you_mean


@cache
def _entry_points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}


def names() -> tuple[str, ...]:
    """Names of the installed backends, sorted; none of them is imported."""
    return tuple(sorted(_entry_points()))


@cache
def backend(name: str) -> Backend:
    """The backend of that name. Raises InputError if it is not installed or does not import."""
    point = _entry_points().get(name)
    if point is None:
        raise InputError(f"no backend {name!r} is installed. {did_you_mean(name, names())}")
    try:
        loaded: Backend = point.load()
    except Exception as error:
        raise InputError(f"backend {name!r} ({point.value}) does not import: {error}") from error
    return loaded
