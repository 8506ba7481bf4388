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


def shown_names() -> tuple[str, ...]:
    """Names of the installed backends that people use: without those that declare `for_tests`."""
    return tuple(name for name in names() if not is_for_tests(name))


def is_for_tests(name: str) -> bool:
    """Whether a backend is installed that declares `for_tests`."""
    if name not in _entry_points():
        return False
    try:
        return bool(getattr(backend(name), "for_tests", False))
    except InputError:  # it does not import, which its user should see
        return False


@cache
def backend(name: str) -> Backend:
    """The backend of that name. Raises InputError if it is not installed or does not import."""
    point = _entry_points().get(name)
    if point is None:
        hint = did_you_mean(name, shown_names())
        raise InputError(f"no backend {name!r}. {hint}".rstrip())
    try:
        loaded: Backend = point.load()
    except Exception as error:
        raise InputError(f"backend {name!r} ({point.value}) does not import: {error}") from error
    return loaded
