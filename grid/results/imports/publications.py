"""The published tables that come with quantgrid: facts of third parties, with source and licence.

They are rows like other imports, and fill a store of their own for demonstrations; they are never
mixed with measured rows.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from grid.errors import InputError, did_you_mean
from grid.models.identity import digest
from grid.results.imports.publication_tables import TABLES
from grid.results.imports.rows import ImportedReport, import_report
from grid.results.rows import Rows

PUBLISHED_FOLDER = Path(__file__).parent / "published"
"""The bundled tables, a JSON file each, and `models.json` with the shapes of their models."""

_LAYOUT = 1
"""Raised where the same facts become other rows, so that the demonstration store is built anew."""


@dataclass(frozen=True)
class Publication(ImportedReport):
    """One published table: its rows, who measured them, and its title."""

    title: str = ""


def all_publications() -> tuple[Publication, ...]:
    """All tables, by name."""
    return tuple(_publication(name) for name in sorted(TABLES))


def publication(name: str) -> Publication:
    """Raises InputError with the nearest name."""
    if name not in TABLES:
        raise InputError(f"no published table {name!r}. {did_you_mean(name, TABLES)}")
    return _publication(name)


@cache
def facts(name: str) -> Mapping[str, Any]:
    """A bundled table as it is written in its file: source, licence, rows and so on."""
    file = PUBLISHED_FOLDER / f"{name}.json"
    table: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return table


@cache
def _publication(name: str) -> Publication:
    about = facts(name)
    records = TABLES[name](about, facts("models"))
    report = import_report(records, about.get("left_out", ()), name, json.dumps(about))
    return Publication(**vars(report), title=about["title"])


def published_store() -> str:
    """The folder, in our cache, of a store with all tables. It is built where it is missing, and
    again by a version with other facts. Raises InputError where it cannot be written."""
    from grid.cache import cache_dir
    from grid.results.location import one_line
    from grid.results.schema import SCHEMA_VERSION

    ids = [[row["attempt_id"] for row in table.rows["attempts"]] for table in all_publications()]
    version = digest("published", _LAYOUT, SCHEMA_VERSION, ids)
    folder = cache_dir() / "published" / version
    if not folder.is_dir():
        try:
            _build(folder)
        except OSError as error:
            raise InputError(f"cannot make {folder}: {one_line(error)}; free some disk") from error
    return str(folder)


def _build(folder: Path) -> None:
    """Build it, whole or not at all: of two processes that do it at once, one wins."""
    from grid.results.location import Location
    from grid.results.rows import append_rows
    from grid.results.store import arrow_tables, write_tables

    together: Rows = {}
    for publication in all_publications():
        append_rows(together, publication.rows)
    part = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        part.mkdir(parents=True, exist_ok=True)
        write_tables(Location(part), arrow_tables(together))
        try:
            part.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
