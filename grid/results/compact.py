"""Merge a store's many small files into one a table."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from grid.errors import StoreLost
from grid.results import files, select
from grid.results.files import UnreadableFile
from grid.results.location import PART, Location, one_line
from grid.results.lock import LOCK_FILE
from grid.results.store import Store, write_tables


class Compaction(NamedTuple):
    """`merged` old files became `written` new ones; `problems` stayed as they are."""

    merged: int
    written: int
    problems: list[UnreadableFile]


def compact(store: str | Path) -> Compaction:
    """Merge the files of each table into one file of the present schema.

    Holds the writer's lock. New files are written whole before any old one is removed: an interrupt
    in between leaves rows twice, which readers see once and the next compaction removes. Torn and
    foreign files stay untouched. Raises StoreError as opening for writing does, StoreLost where the
    store stops taking files.
    """
    opened = Store(store)
    with opened.writer():
        location = opened.location
        _remove_parts(location)
        tables, olds, problems = _read_tables(location)
        crowded = {name: table for name, table in tables.items() if len(olds[name]) > 1}
        try:
            write_tables(location, crowded)
            for name in crowded:
                for old in olds[name]:
                    location.remove(old)
        except OSError as error:
            raise StoreLost(
                f"compacting {location.display_name} broke off: {one_line(error)}; "
                "no row is lost, and the same command goes on"
            ) from error
    merged = sum(len(olds[name]) for name in crowded)
    return Compaction(merged, len(crowded), problems)


def _read_tables(
    location: Location,
) -> tuple[dict[str, pa.Table], dict[str, list[str]], list[UnreadableFile]]:
    """(rows by table, names of their files by table, files that are foreign or torn)."""
    parts: dict[str, list[pa.Table]] = {}
    names: dict[str, list[str]] = {}
    problems = []
    for entry in location.entries():
        if not entry.name.endswith(files.ENDING) or not entry.is_file:
            continue
        try:
            table, rows = files.read(location, entry.name)
        except files.UnreadableFileError as error:
            problems.append(UnreadableFile(entry.name, str(error)))
            continue
        parts.setdefault(table, []).append(rows)
        names.setdefault(table, []).append(entry.name)
    tables = {table: select.deduplicate(rows, table) for table, rows in parts.items()}
    return tables, names, problems


def _remove_parts(location: Location) -> None:
    """Remove unfinished files of killed writers: nobody else writes while we hold the lock."""
    for entry in location.entries():
        if entry.is_file and entry.name.endswith(PART) and not entry.name.startswith(LOCK_FILE):
            stem = entry.name.removesuffix(PART).rpartition(".")[0]
            if files.table_of_name(stem):
                location.remove(entry.name)
