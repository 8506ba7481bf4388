"""The result of a measuring function, before it is a message."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from grid.backend import Engine
from grid.cells.measurement import ItemResult, Series
from grid.errors import Unsupported

C = TypeVar("C")


class WorkloadResult(msgspec.Struct, frozen=True, kw_only=True):
    """Raw results of one workload; `environment` is added to the engine's."""

    scalars: dict[str, float] = {}
    series: tuple[Series, ...] = ()
    items: tuple[ItemResult, ...] = ()
    environment: dict[str, str] = {}


def series(name: str, unit: str, values: Iterable[float]) -> Series:
    """A Series of plain floats, whatever number type the values have."""
    return Series(name, unit, tuple(float(value) for value in values))


def need(engine: Engine, capability: type[C]) -> C:
    """The engine as that capability. Raises Unsupported where it does not implement it."""
    if not isinstance(engine, capability):
        raise Unsupported(f"the engine does not implement {capability.__name__.lower()!r}")
    return engine
