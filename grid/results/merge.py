"""Bring rows of other stores into one: of a machine that swept alone, of a copy, of a bucket."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from grid.errors import InputError, StoreLost
from grid.results.files import Problem
from grid.results.location import Location, one_line
from grid.results.reader import Results
from grid.results.schema import TABLES
from grid.results.store import Store, write_tables


class Merged(NamedTuple):
    """What came of one source: attempts that were `added`, attempts `known` before, and files that
    were skipped."""

    source: str
    added: int
    known: int
    problems: list[Problem]


def merge(sources: Sequence[str | Path], store: str | Path) -> list[Merged]:
    """Add the attempts of other stores, with all that belongs to them, unless they are there.

    What is read is checked as any store's files are, and only rows are taken from it: what a row
    says is never followed. Sources stay as they are. Holds the writer's lock; a merge that breaks
    off has added whole attempts only, and the same one again adds the rest. Raises InputError for a
    source without rows or that is the store itself, before anything is written, StoreError as
    opening for writing does, StoreLost where the store stops taking files.
    """
    opened = Store(store)
    read = [_opened(source, opened.location) for source in sources]
    with opened.writer():
        ids = Results(store).attempts()["attempt_id"]
        done = []
        for one in read:
            done.append(_add(one, opened.location, ids))
            ids = pa.chunked_array([*ids.chunks, *one.attempts()["attempt_id"].chunks])
        return done


def _opened(source: str | Path, target: Location) -> Results:
    found = Results(source)
    if _same(found.location, target):
        raise InputError(f"{target.shown} is the store itself; name the one to bring rows from")
    if found.location.local and not os.path.exists(found.location.path):
        raise InputError(
            f"there is no {found.location.shown}; copy the other machine's folder here first"
        )
    if found.attempts().num_rows == 0:
        reasons = [f"{name}: {reason}" for name, reason in found.problems]
        why = f" ({reasons[0]})" if reasons else ""
        raise InputError(f"no results in {found.location.shown}{why}; give a store's folder or URI")
    return found


def _add(source: Results, target: Location, known: pa.ChunkedArray[pa.StringScalar]) -> Merged:
    attempts = source.attempts()
    new = attempts.filter(pc.invert(pc.is_in(attempts["attempt_id"], known.combine_chunks())))
    ids = new["attempt_id"].combine_chunks()
    children = [name for name in TABLES if name != "attempts"]
    tables = {name: _of(getattr(source, name)(), ids) for name in children} | {"attempts": new}
    try:
        write_tables(target, {name: rows for name, rows in tables.items() if rows.num_rows})
    except OSError as error:
        raise StoreLost(
            f"merging into {target.shown} broke off: {one_line(error)}; what came so far is whole, "
            "and the same command goes on"
        ) from error
    already = attempts.num_rows - new.num_rows
    return Merged(source.location.shown, new.num_rows, already, source.problems)


def _of(rows: pa.Table, ids: pa.Array[pa.StringScalar]) -> pa.Table:
    return rows.filter(pc.is_in(rows["attempt_id"], ids))


def _same(one: Location, other: Location) -> bool:
    if one.local and other.local:
        return os.path.realpath(one.path) == os.path.realpath(other.path)
    return one.fs == other.fs and one.path.rstrip("/") == other.path.rstrip("/")
