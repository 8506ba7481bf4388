"""The published tables that come with quantgrid: facts of third parties, with source and licence.

They are rows like other imports, and a store of their own for demonstrations; never mixed with
measured rows.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from grid.errors import InputError, did_you_mean
from grid.models.identity import digest
from grid.results.imports.imported import Imported, imported
from grid.results.imports.publication_tables import TABLES
from grid.results.imports.record import Origin
from grid.results.rows import Rows

_LAYOUT = 1
"""Raised where the same facts become other rows, so that the demonstration store is made anew."""


@dataclass(frozen=True)
class Publication:
    """One published table. `rows` are those of the four tables of a store."""

    name: str
    title: str
    source: str
    licence: str
    rows: Rows
    imported: Imported


def published() -> tuple[Publication, ...]:
    """All tables, by name."""
    return tuple(_publication(name) for name in sorted(TABLES))


def publication(name: str) -> Publication:
    """Raises InputError with the nearest name."""
    if name not in TABLES:
        raise InputError(f"no published table {name!r}. {did_you_mean(name, TABLES)}")
    return _publication(name)


@cache
def facts(name: str) -> Mapping[str, Any]:
    """A bundled table as it is written in `grid/published`: source, licence, rows and so on."""
    file = resources.files(__package__) / "published" / f"{name}.json"
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


@cache
def _publication(name: str) -> Publication:
    about = facts(name)
    origin = Origin(about["source"], about["licence"])
    records = list(TABLES[name](about, facts("models")))
    found = imported(records, about.get("left_out", ()), origin, name, json.dumps(about))
    return Publication(name, about["title"], origin.name, origin.licence, found.rows, found)


def published_store() -> str:
    """The folder, in our cache, of a store that holds all tables; made where it is not there, and
    anew with a version that knows other facts. Raises InputError where it cannot be written."""
    from grid.cache import cache_dir
    from grid.results.location import one_line
    from grid.results.schema import SCHEMA_VERSION

    known = [publication.imported.rows for publication in published()]
    ids = [[row["attempt_id"] for row in rows["attempts"]] for rows in known]
    version = digest("published", _LAYOUT, SCHEMA_VERSION, ids)
    folder = cache_dir() / "published" / version
    if not folder.is_dir():
        try:
            _make(folder)
        except OSError as error:
            raise InputError(f"cannot make {folder}: {one_line(error)}; free some disk") from error
    return str(folder)


def _make(folder: Path) -> None:
    """Whole or not at all: two processes may do it at once, and one of them wins."""
    from grid.results.imports.writing import tables
    from grid.results.location import Location
    from grid.results.rows import merge
    from grid.results.store import write_tables

    together: Rows = {}
    for publication in published():
        merge(together, publication.rows)
    part = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        part.mkdir(parents=True, exist_ok=True)
        write_tables(Location(part), tables(together))
        try:
            part.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
