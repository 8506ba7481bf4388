"""A store for reading: Arrow tables of what is there, whoever wrote it and however it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from grid.errors import InputError
from grid.results import files, select
from grid.results.batch_index import Holdings
from grid.results.files import Problem
from grid.results.location import Location
from grid.results.problems import nothing_there
from grid.results.schema import TABLES

if TYPE_CHECKING:
    import pandas as pd

_LISTINGS = 5
"""How often a folder is listed anew when files vanish while they are read (a compaction)."""
_READERS_LOCAL, _READERS_REMOTE = 2, 8
"""Files read at once: a far store costs waiting, a near one memory."""
_DECIDING = ["cell_id", "attempt_id", "status", "started_at"]


class Results:
    """The rows of a store as they were when each table was first asked for.

    Files that are torn, foreign or of a newer schema are skipped and named in `problems`; they are
    never fatal and never touched. A store that does not exist yet has empty tables. Open it again
    to see rows written since. Several threads may read at once.
    """

    def __init__(self, uri: str | Path) -> None:
        self.location = Location(uri)
        self._tables: dict[str, pa.Table] = {}
        self._final: pa.Table | None = None
        self._problems: dict[str, str] = {}
        self._lock = RLock()  # what one thread notes as read, another must not skip half-way
        self._holdings = {table: Holdings() for table in TABLES}
        self.location.entries()  # a place that cannot be read is said now

    def attempts(self) -> pa.Table:
        """All attempts, every status, one row each."""
        return self._table("attempts")

    def metrics(self) -> pa.Table:
        """Derived figures of all attempts, long."""
        return self._table("metrics")

    def samples(self) -> pa.Table:
        """Raw samples of all attempts."""
        return self._table("samples")

    def items(self) -> pa.Table:
        """Task items of all attempts."""
        return self._table("items")

    def final(self) -> pa.Table:
        """The attempt that counts of each cell, in the order of `select.final`."""
        if self._final is None:
            self._final = select.final(self.attempts())
        return self._final

    def wide(self) -> pa.Table:
        """One row per final attempt, its metrics as columns (`select.wide`)."""
        return select.wide(self.final(), self.metrics())

    def read(
        self, table: str, columns: Sequence[str], attempt_ids: pa.Array[Any] | None = None
    ) -> pa.Table:
        """Some columns of a table, of some attempts (None: all): nothing else is held in memory,
        and where files were read before, only those with rows of the attempts are opened.

        The column `attempt_id` is always there. Of other tables than attempts, rows count only if
        their attempt is in the store: `attempt_ids` should be of it.
        """
        wanted = list(dict.fromkeys(["attempt_id", *columns]))
        with self._lock:
            if attempt_ids is None and table != "attempts":
                attempt_ids = self.read("attempts", ()).column("attempt_id").combine_chunks()
            parts = self._retried(lambda: self._projected(table, wanted, attempt_ids))
        found = select.deduplicated(parts, table) if parts else TABLES[table].empty_table()
        return found.select(wanted)

    def seen_problems(self) -> list[Problem]:
        """As `problems`, but files that no table was read from yet are only opened: what is damaged
        inside them is not seen."""
        with self._lock:
            for name in self._names():
                held = any(one.known(name) for one in self._holdings.values())
                if not held and name not in self._problems:
                    self._look(name)
            return [Problem(name, reason) for name, reason in sorted(self._problems.items())]

    def frame(self, table: str = "wide") -> pd.DataFrame:
        """A table as a pandas frame: attempts, metrics, samples, items, final or wide."""
        if table not in (*TABLES, "final", "wide"):
            raise InputError(f"no table {table!r}; there are {', '.join(TABLES)}, final and wide")
        arrow: pa.Table = getattr(self, table)()
        return arrow.to_pandas(maps_as_pydicts="lossy")

    def finished_ids(self, version: str | Mapping[str, str] | None = None) -> set[str]:
        """Cells that a resume need not run: their final attempt is ok, oom or unsupported.

        Skipped ones are not finished: each plan decides anew what it skips. With `version` (one
        engine version, or one by backend) only attempts of that version count.
        """
        attempts = self.attempts()
        if version is not None:
            attempts = attempts.filter(select.of_version(attempts, version))
        cells = select.final(attempts.select(_DECIDING))
        done = pc.is_in(cells["status"], pa.array(select.MEASURED))
        return {str(cell) for cell in cells["cell_id"].filter(done).to_pylist()}

    def query(self, sql: str) -> pa.Table:
        """The answer of DuckDB to a statement over the views attempts, metrics, samples, items,
        final, wide, and results (final attempts joined with their metrics, long).

        It sees these tables only, no file and no network. Raises InputError with DuckDB's message.
        """
        from grid.results.query import run

        return run(lambda name: getattr(self, name)(), sql)

    @property
    def problems(self) -> list[Problem]:
        """Files that were skipped, and why, sorted by name; reads the tables not read yet."""
        with self._lock:
            for table in TABLES:
                self._table(table)
            return [Problem(name, reason) for name, reason in sorted(self._problems.items())]

    def _table(self, table: str) -> pa.Table:
        with self._lock:
            return self._kept(table)

    def _kept(self, table: str) -> pa.Table:
        if table not in self._tables:
            if table != "attempts":
                self.attempts()  # first: what it lists later holds all children of what it saw
            content = select.deduplicated(self._load(table), table)
            if table != "attempts":
                content = content.filter(
                    pc.is_in(content["attempt_id"], self.attempts()["attempt_id"].combine_chunks())
                )
            self._tables[table] = content
        return self._tables[table]

    def _load(self, table: str) -> list[pa.Table]:
        return self._retried(lambda: self._whole(table))

    def _retried(self, read: Callable[[], list[pa.Table]]) -> list[pa.Table]:
        for _ in range(_LISTINGS):
            try:
                return read()
            except FileNotFoundError:
                continue
        raise InputError(f"the files of {self.location.shown} keep changing; try again")

    def _whole(self, table: str) -> list[pa.Table]:
        with ThreadPoolExecutor(self._readers) as pool:
            read = list(pool.map(self._read, self._promising(table)))
        return [found[1] for found in read if found is not None and found[0] == table]

    def _projected(
        self, table: str, columns: list[str], attempt_ids: pa.Array[Any] | None
    ) -> list[pa.Table]:
        """The parts by file, in the order of their names."""
        holdings = self._holdings[table]
        names = self._promising(table)
        held = None if attempt_ids is None else holdings.of(attempt_ids)
        if held is not None:
            names = [name for name in names if name in held or not holdings.known(name)]

        def some(name: str) -> pa.Table | None:
            return self._columns(name, table, columns, (held or {}).get(name), attempt_ids)

        with ThreadPoolExecutor(self._readers) as pool:
            return [part for part in pool.map(some, names) if part is not None]

    def _columns(
        self,
        name: str,
        table: str,
        columns: list[str],
        batches: list[int] | None,
        attempt_ids: pa.Array[Any] | None,
    ) -> pa.Table | None:
        """Columns of a file's rows of the attempts; None where it has none, is a problem, or is not
        of the table."""
        if name in self._problems:
            return None
        try:
            if batches is None and attempt_ids is not None:
                batches = self._batches_of(name, table, attempt_ids)
            found = files.scan(self.location, name, columns, batches) if batches != [] else ()
            return self._joined(name, table, found, attempt_ids)
        except files.Skipped as skipped:
            self._problems[name] = str(skipped)
            return None

    def _batches_of(self, name: str, table: str, attempt_ids: pa.Array[Any]) -> list[int]:
        """Batches of a file not read before with rows of the attempts: ids are small, and what
        stands beside them need not be read where none is asked for."""
        found, ids = [], {}
        for holds, number, content in files.scan(self.location, name, ["attempt_id"]):
            if not self._kept_promise(name, holds) or holds != table:
                return []
            ids[number] = pc.unique(content["attempt_id"].combine_chunks())
            if pc.any(pc.is_in(ids[number], value_set=attempt_ids)).as_py():
                found.append(number)
        self._holdings[table].note(name, ids)
        return found

    def _joined(
        self,
        name: str,
        table: str,
        batches: Iterable[tuple[str, int, pa.Table]],
        attempt_ids: pa.Array[Any] | None,
    ) -> pa.Table | None:
        """The batches' rows of the attempts; all batches are remembered where all are read."""
        parts, ids = [], {}
        for found, number, content in batches:
            if not self._kept_promise(name, found) or found != table:
                return None
            of_row = content["attempt_id"].combine_chunks()
            if attempt_ids is None:
                ids[number] = pc.unique(of_row)
            else:
                content = content.filter(pc.is_in(of_row, value_set=attempt_ids))
            if content.num_rows:
                parts.append(content)
        if attempt_ids is None:
            self._holdings[table].note(name, ids)
        return pa.concat_tables(parts) if parts else None

    def _look(self, name: str) -> None:
        try:
            files.look(self.location, name)
        except files.Skipped as skipped:
            self._problems[name] = str(skipped)
        except FileNotFoundError:
            return

    @property
    def _readers(self) -> int:
        return _READERS_LOCAL if self.location.local else _READERS_REMOTE

    def _promising(self, table: str) -> list[str]:
        """Files that may hold rows of the table: a name only saves reading; one that promises
        nothing is asked for every table."""
        return [name for name in self._names() if files.table_of_name(name) in (table, None)]

    def _names(self) -> list[str]:
        """Names of the Arrow files; folders and the like are problems."""
        names = []
        for entry in self.location.entries():
            if entry.name.endswith(files.ENDING):
                if entry.is_file:
                    names.append(entry.name)
                else:
                    self._problems[entry.name] = "not a file"
        return names

    def _read(self, name: str) -> tuple[str, pa.Table] | None:
        if name in self._problems:
            return None
        try:
            table, content = files.read(self.location, name)
        except files.Skipped as skipped:
            self._problems[name] = str(skipped)
            return None
        return (table, content) if self._kept_promise(name, table) else None

    def _kept_promise(self, name: str, table: str) -> bool:
        promised = files.table_of_name(name)
        if promised not in (table, None):
            self._problems[name] = f"named {promised}, but holds {table}"
            return False
        return True


def require_rows(results: Results) -> Results:
    """The same store. Raises InputError where it holds no attempt."""
    if results.attempts().num_rows == 0:
        raise InputError(nothing_there(results.location.shown, results.problems))
    return results
