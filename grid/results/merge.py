"""Merge rows of other stores into one: of another machine, of a copy, of a bucket."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from grid.errors import InputError, StoreLost
from grid.results.files import UnreadableFile
from grid.results.location import Location, one_line
from grid.results.merge_checks import impossible_attempts, merge_conflicts
from grid.results.reader import Results
from grid.results.schema import TABLES
from grid.results.store import Store, write_tables


class MergedSource(NamedTuple):
    """Result of one source: attempts `added`, attempts `already_present`, files that were skipped,
    `refused` attempts whose figures cannot be true, and notes on cells with different figures."""

    source: str
    added: int
    already_present: int
    problems: list[UnreadableFile]
    refused: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()


def merge(sources: Sequence[str | Path], store: str | Path) -> list[MergedSource]:
    """Add the attempts of other stores that this one lacks, with all their rows.

    Sources are checked as any store's files are, and only their rows are taken: no path or address
    in a row is followed. Sources stay as they are. Holds the writer's lock; a merge that breaks
    off has added whole attempts only, and the same one again adds the rest. Raises InputError for a
    source without rows or that is the store itself, before anything is written, StoreError as
    opening for writing does, StoreLost where the store stops taking files.
    """
    opened = Store(store)
    readers = [_open_source(source, opened.location) for source in sources]
    with opened.writer():
        ids = Results(store).attempts()["attempt_id"]
        done = []
        for reader in readers:
            done.append(_add(reader, opened.location, ids, Results(store)))
            ids = pa.chunked_array([*ids.chunks, *reader.attempts()["attempt_id"].chunks])
        return done


def _open_source(source: str | Path, target: Location) -> Results:
    results = Results(source, exact=True)
    if _is_same_place(results.location, target):
        raise InputError(
            f"{target.display_name} is the store itself; name the one to bring rows from"
        )
    if results.location.is_local and not os.path.exists(results.location.path):
        raise InputError(
            f"there is no {results.location.display_name}; "
            "copy the other machine's folder here first"
        )
    if results.attempts().num_rows == 0:
        reasons = [f"{name}: {reason}" for name, reason in results.problems]
        why = f" ({reasons[0]})" if reasons else ""
        raise InputError(
            f"no results in {results.location.display_name}{why}; give a store's folder or URI"
        )
    return results


def _add(
    source: Results,
    target: Location,
    present_ids: pa.ChunkedArray[pa.StringScalar],
    present: Results,
) -> MergedSource:
    attempts = source.attempts()
    new = attempts.filter(pc.invert(pc.is_in(attempts["attempt_id"], present_ids.combine_chunks())))
    ids = new["attempt_id"].combine_chunks()
    children = [name for name in TABLES if name != "attempts"]
    tables = {name: _rows_of(getattr(source, name)(), ids) for name in children} | {"attempts": new}
    refused = impossible_attempts(tables["attempts"], tables["metrics"])
    if refused:
        wrong = pa.array(list(refused), pa.string())
        tables = {
            name: rows.filter(pc.invert(pc.is_in(rows["attempt_id"], wrong)))
            for name, rows in tables.items()
        }
        new = tables["attempts"]
    conflicts = merge_conflicts(tables["attempts"], tables["metrics"], present)
    try:
        write_tables(target, {name: rows for name, rows in tables.items() if rows.num_rows})
    except OSError as error:
        raise StoreLost(
            f"merging into {target.display_name} broke off: {one_line(error)}; "
            "what came so far is whole, and the same command goes on"
        ) from error
    already = attempts.num_rows - new.num_rows - len(refused)
    return MergedSource(
        source.location.display_name,
        new.num_rows,
        already,
        source.problems,
        tuple(refused.values()),
        tuple(conflicts),
    )


def _rows_of(rows: pa.Table, ids: pa.Array[pa.StringScalar]) -> pa.Table:
    return rows.filter(pc.is_in(rows["attempt_id"], ids))


def _is_same_place(first: Location, second: Location) -> bool:
    if first.is_local and second.is_local:
        return os.path.realpath(first.path) == os.path.realpath(second.path)
    return first.fs == second.fs and first.path.rstrip("/") == second.path.rstrip("/")
