"""A store for writing: rows are buffered and written as whole files, by one sweep at a time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from grid.cells.cell import Cell
from grid.cells.measurement import Measurement, Metric
from grid.errors import StoreError, StoreLost
from grid.hardware.node import Node
from grid.models.artifact import ArtifactFacts
from grid.results import files
from grid.results.location import Location, one_line
from grid.results.lock import Lock
from grid.results.rows import Rows, append_rows, attempt_rows, new_attempt_id
from grid.results.schema import TABLES, file_schema

FLUSH_S = 5.0
"""Seconds after which a buffered row is written, as long as `add` or `tick` is called."""
FLUSH_CELLS = 256

CHILDREN_FIRST = (*(name for name in TABLES if name != "attempts"), "attempts")
"""Order in which tables are written: readers see children of known attempts only, so a flush that
breaks off halfway has written nothing that they would see."""


class Store:
    """A folder of Arrow files, on a local path or any pyarrow filesystem URI."""

    def __init__(self, uri: str | Path) -> None:
        self.location = Location(uri)

    def writer(self, clock: Callable[[], float] = time.monotonic) -> Writer:
        """Open for writing: `with store.writer() as writer`. `clock` gives seconds.

        Raises StoreError on entering where the store is read-only, in use by another sweep, or
        holds a file of a newer schema; nothing is written then.
        """
        return Writer(self.location, clock)


class Writer:
    """Buffers attempts and writes them every 5 s or 256 cells, whichever is first, and on leaving.

    `note` is a line for the user about a stale lock that was taken over, or empty.
    """

    def __init__(self, location: Location, clock: Callable[[], float]) -> None:
        self.location = location
        self.lock = Lock(location)
        self._clock = clock
        self._rows: Rows = {}
        self._oldest: float | None = None
        self._lost = ""

    def __enter__(self) -> Self:
        try:
            self.location.create_folder()
        except (OSError, pa.ArrowException) as error:
            raise StoreError(
                f"cannot make the store {self.location.display_name}: {one_line(error)}; "
                "choose another store"
            ) from error
        refuse_newer_schema(self.location)
        self.lock.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if not self._lost:
                self.flush()
        finally:
            self.lock.release()

    @property
    def note(self) -> str:
        return self.lock.note

    @property
    def pending(self) -> int:
        """Attempts that are not written yet."""
        return len(self._rows.get("attempts", ()))

    def add(
        self,
        cell: Cell,
        measurement: Measurement,
        metrics: Iterable[Metric] = (),
        *,
        node: Node | None,
        sweep_id: str,
        sweep: str,
        attempt_id: str | None = None,
        facts: ArtifactFacts | None = None,
    ) -> str:
        """Buffer one attempt and return its id. Raises StoreLost where a flush is due and fails."""
        if self._lost:
            raise StoreLost(self._lost)
        attempt_id = attempt_id or new_attempt_id()
        append_rows(
            self._rows,
            attempt_rows(
                cell,
                measurement,
                metrics,
                node,
                attempt_id=attempt_id,
                sweep_id=sweep_id,
                sweep=sweep,
                facts=facts,
            ),
        )
        if self._oldest is None:
            self._oldest = self._clock()
        self.tick()
        return attempt_id

    def tick(self) -> None:
        """Flush if it is time; the sweep calls it while it waits. Raises StoreLost."""
        if self._oldest is None or self._lost:
            return
        if self.pending >= FLUSH_CELLS or self._clock() - self._oldest >= FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Write the buffered rows. Raises StoreLost, after which the writer takes no more rows."""
        if not self.pending:
            return
        tables = arrow_tables(self._rows)
        try:
            self.lock.refresh()
            write_tables(self.location, tables)
        except StoreLost as lost:
            self._lost = str(lost)
            raise
        except OSError as error:
            self._lost = (
                f"the store {self.location.display_name} takes no more rows: {one_line(error)}; "
                "rows so far are safe, and the same command resumes"
            )
            raise StoreLost(self._lost) from error
        self._rows, self._oldest = {}, None


def arrow_tables(rows: Rows) -> dict[str, pa.Table]:
    """Rows as Arrow tables of the present schema, without empty ones."""
    return {
        name: pa.Table.from_pylist(of_table, schema=file_schema(name))
        for name, of_table in rows.items()
        if of_table
    }


def write_tables(location: Location, tables: dict[str, pa.Table]) -> dict[str, str]:
    """One new file a table, attempts last; returns {table: file name}.

    Raises OSError. Children that were written are then removed where their attempts certainly are
    not there: an object store may have kept a put that it reported as failed.
    """
    written: dict[str, str] = {}
    try:
        for table in CHILDREN_FIRST:
            if table in tables:
                name = files.new_name(table)
                location.write(name, files.encode(table, tables[table]))
                written[table] = name
    except OSError:
        for name in written.values() if location.is_local else ():
            with contextlib.suppress(OSError):  # nobody sees them anyway
                location.remove(name)
        raise
    return written


def refuse_newer_schema(location: Location) -> None:
    """Raises StoreError where a file is of a newer schema: an older program must not add to it."""
    for entry in location.entries():
        if not (entry.is_file and entry.name.endswith(files.ENDING)):
            continue
        try:
            files.table_of_file(location, entry.name)
        except files.NewerSchemaError as newer:
            raise StoreError(
                f"{location.display_path(entry.name)}: {newer}, or choose another store"
            ) from newer
        except (files.UnreadableFileError, FileNotFoundError):
            continue  # readers report it
