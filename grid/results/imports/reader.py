"""Reader: one kind of report. A new one is a module of `imports/formats` with its `READERS`."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pkgutil import iter_modules
from typing import Protocol

from grid.results.imports import formats
from grid.results.imports.record import FigureOrigin, Record
from grid.results.imports.source import Source


class Reader(Protocol):
    """Reads one kind of report.

    `name` is what `--format` takes, `description` a line of `grid import --list`, `origin` the tool
    that measured. `selectable` is False for a kind that is recognized, and not asked for by name.
    """

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str: ...

    @property
    def origin(self) -> FigureOrigin: ...

    @property
    def selectable(self) -> bool: ...

    def recognizes(self, source: Source) -> bool:
        """Whether the source holds such a report, alone or among lines and tables of others. It
        must be cheap, and sure: the name of a column that another tool prints too is not enough."""
        ...

    def records(self, source: Source) -> Iterable[Record]:
        """The records of the source, in its own units; the checks come after.

        What is left out on purpose goes to `source.skip`, what cannot be read to `source.refuse`.
        Raises InputError by `source.error` where the report is damaged or none of its kind.
        """
        ...


def find_readers() -> dict[str, Reader]:
    """The readers that the modules of `imports/formats` declare, by name, in the order of the
    modules' names."""
    names = sorted(module.name for module in iter_modules(formats.__path__))
    modules = [import_module(f"{formats.__name__}.{name}") for name in names]
    readers: list[Reader] = [reader for module in modules for reader in _declared(module)]
    return {reader.name: reader for reader in readers}


def _declared(module: object) -> tuple[Reader, ...]:
    return tuple(getattr(module, "READERS", ()))
