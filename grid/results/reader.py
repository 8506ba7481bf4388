"""A store for reading: Arrow tables of its rows, whoever wrote them and however that ended."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from grid.cells.measurement import SCORED_CHUNKS
from grid.errors import InputError
from grid.models.display_names import visible
from grid.results import files, select
from grid.results.batch_index import BatchIndex
from grid.results.files import UnreadableFile
from grid.results.location import Location
from grid.results.problems import explain_no_results
from grid.results.schema import TABLES
from grid.results.visible_rows import with_visible_text

if TYPE_CHECKING:
    import pandas as pd

_LISTINGS = 5
"""Times that a folder is listed anew where files vanish while they are read (a compaction)."""
_READERS_LOCAL, _READERS_REMOTE = 2, 8
"""Files read at once: more of them hide a far store's latency, and take memory."""
FileState = tuple[int, int]
"""Size of a file in bytes, and when it was changed, ns."""
_DECIDING = ["cell_id", "attempt_id", "status", "started_at"]


class Results:
    """The rows of a store as they were when each table was first asked for.

    Files that are torn, foreign or of a newer schema are skipped and named in `problems`; they are
    never fatal and never touched. A store that does not exist yet has empty tables. Open it again
    to see rows written since. Several threads may read at once.

    Names and reasons are as people may see them: what would act on a terminal or not show stands
    as an escape (`visible_rows`). With `exact` they are as stored, for writing elsewhere.
    """

    def __init__(self, uri: str | Path, exact: bool = False) -> None:
        self.location = Location(uri)
        self._exact = exact
        self._tables: dict[str, pa.Table] = {}
        self._final: pa.Table | None = None
        self._problems: dict[str, str] = {}
        self._lock = RLock()  # a table that one thread loads, another must not use half-loaded
        self._indexes = {table: BatchIndex() for table in TABLES}
        self.location.entries()  # raises now where the place cannot be read

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
        self,
        table: str,
        columns: Sequence[str],
        attempt_ids: pa.Array[Any] | None = None,
        names: Collection[str] | None = None,
    ) -> pa.Table:
        """Some columns of a table, of some attempts (None: all) and files (None: all): nothing else
        is held in memory, and where files were read before, only those with rows of the attempts
        are opened.

        The column `attempt_id` is always there. Of other tables than attempts, rows count only if
        their attempt is in the store: `attempt_ids` should be of it.
        """
        wanted = list(dict.fromkeys(["attempt_id", *columns]))
        with self._lock:
            if attempt_ids is None and table != "attempts":
                attempt_ids = self.read("attempts", ()).column("attempt_id").combine_chunks()
            parts = self._retry(lambda: self._read_columns(table, wanted, attempt_ids, names))
        rows = select.deduplicate(parts, table) if parts else TABLES[table].empty_table()
        return rows.select(wanted)

    def visible_problems(self, sound: Collection[str] = ()) -> list[UnreadableFile]:
        """As `problems`, but files that were not read yet are only opened: damage inside their
        columns does not show. Of those in `sound` it is known that they can be opened."""
        with self._lock:
            for name in self._names():
                is_indexed = any(index.contains(name) for index in self._indexes.values())
                if not is_indexed and name not in self._problems and name not in sound:
                    self._check_header(name)
            return self._sorted_problems()

    def files(self) -> dict[str, FileState]:
        """The store's Arrow files as they are now, but those that are a problem."""
        entries = self.location.entries()
        return {
            entry.name: (entry.size, entry.changed_ns)
            for entry in entries
            if entry.name.endswith(files.ENDING) and entry.name not in self._problems
        }

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
            attempts = attempts.filter(select.version_mask(attempts, version))
        cells = select.final(attempts.select(_DECIDING))
        done = pc.is_in(cells["status"], pa.array(select.MEASURED))
        return {str(cell) for cell in cells["cell_id"].filter(done).to_pylist()}

    def ended_early_ids(self) -> set[str]:
        """Quality cells whose final attempt scored fewer chunks than they ask for: a run for the
        noise floor ends where it has none."""
        final = self.final().select(["cell_id", "measure", "environment"])
        quality = final.filter(pc.field("measure") == "quality")
        scored = pc.map_lookup(quality["environment"], pa.scalar(SCORED_CHUNKS), "first")
        return {str(cell) for cell in quality["cell_id"].filter(pc.is_valid(scored)).to_pylist()}

    def query(self, sql: str) -> pa.Table:
        """The answer of DuckDB to a statement over the views attempts, metrics, samples, items,
        final, wide, and results (final attempts joined with their metrics, long).

        It sees these tables only, no file and no network. Raises InputError with DuckDB's message.
        """
        from grid.results.query import run_sql

        return run_sql(lambda name: getattr(self, name)(), sql)

    def problem_names(self) -> Collection[str]:
        """Files that were skipped so far."""
        return self._problems.keys()

    @property
    def problems(self) -> list[UnreadableFile]:
        """Files that were skipped, and why, sorted by name; reads the tables not read yet."""
        with self._lock:
            for table in TABLES:
                self._table(table)
            return self._sorted_problems()

    def _sorted_problems(self) -> list[UnreadableFile]:
        return [
            UnreadableFile(visible(name), visible(reason))
            for name, reason in sorted(self._problems.items())
        ]

    def _table(self, table: str) -> pa.Table:
        with self._lock:
            if table not in self._tables:
                self._tables[table] = self._load(table)
            return self._tables[table]

    def _load(self, table: str) -> pa.Table:
        # attempts are listed first: the files listed after them hold all rows of these attempts
        ids = None if table == "attempts" else self.attempts()["attempt_id"].combine_chunks()
        rows = select.deduplicate(self._retry(lambda: self._read_all(table)), table)
        return rows if ids is None else rows.filter(pc.is_in(rows["attempt_id"], ids))

    def _retry(self, read: Callable[[], list[pa.Table]]) -> list[pa.Table]:
        for _ in range(_LISTINGS):
            try:
                return read()
            except FileNotFoundError:
                continue
        raise InputError(f"the files of {self.location.display_name} keep changing; try again")

    def _read_all(self, table: str) -> list[pa.Table]:
        with ThreadPoolExecutor(self._readers) as pool:
            parts = list(pool.map(lambda name: self._read(name, table), self._candidates(table)))
        return [part for part in parts if part is not None]

    def _read_columns(
        self,
        table: str,
        columns: list[str],
        attempt_ids: pa.Array[Any] | None,
        wanted: Collection[str] | None,
    ) -> list[pa.Table]:
        """Some columns of each file's rows of the attempts, in the order of the files' names."""
        index = self._indexes[table]
        names = [name for name in self._candidates(table) if wanted is None or name in wanted]
        batches = None if attempt_ids is None else index.batches_of(attempt_ids)
        if batches is not None:
            names = [name for name in names if name in batches or not index.contains(name)]

        def read_file(name: str) -> pa.Table | None:
            return self._columns_of(name, table, columns, (batches or {}).get(name), attempt_ids)

        with ThreadPoolExecutor(self._readers) as pool:
            return [part for part in pool.map(read_file, names) if part is not None]

    def _columns_of(
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
            parts = files.scan(self.location, name, columns, batches) if batches != [] else ()
            return self._collect(name, table, parts, attempt_ids)
        except files.UnreadableFileError as error:
            self._problems[name] = str(error)
            return None

    def _batches_of(self, name: str, table: str, attempt_ids: pa.Array[Any]) -> list[int]:
        """Batches with rows of the attempts, of a file that was not read before.

        Ids are small: the other columns are read only of batches that have such rows.
        """
        numbers, ids = [], {}
        for file_table, number, content in files.scan(self.location, name, ["attempt_id"]):
            if not self._is_of(table, name, file_table):
                return []
            ids[number] = pc.unique(content["attempt_id"].combine_chunks())
            if pc.any(pc.is_in(ids[number], value_set=attempt_ids)).as_py():
                numbers.append(number)
        self._indexes[table].add(name, ids)
        return numbers

    def _collect(
        self,
        name: str,
        table: str,
        batches: Iterable[tuple[str, int, pa.Table]],
        attempt_ids: pa.Array[Any] | None,
    ) -> pa.Table | None:
        """Rows of the attempts in the batches; where all are read, the index takes their ids."""
        parts, ids = [], {}
        for file_table, number, content in batches:
            if not self._is_of(table, name, file_table):
                return None
            attempts = content["attempt_id"].combine_chunks()
            if attempt_ids is None:
                ids[number] = pc.unique(attempts)
            else:
                content = content.filter(pc.is_in(attempts, value_set=attempt_ids))
            if content.num_rows:
                parts.append(self._for_people(content))
        if attempt_ids is None:
            self._indexes[table].add(name, ids)
        return pa.concat_tables(parts) if parts else None

    def _check_header(self, name: str) -> None:
        try:
            files.check_header(self.location, name)
        except files.UnreadableFileError as error:
            self._problems[name] = str(error)
        except FileNotFoundError:
            return

    @property
    def _readers(self) -> int:
        return _READERS_LOCAL if self.location.is_local else _READERS_REMOTE

    def _candidates(self, table: str) -> list[str]:
        """Files that may hold rows of the table: those named after it, and those whose name says
        nothing."""
        return [name for name in self._names() if files.table_of_name(name) in (table, None)]

    def _names(self) -> list[str]:
        """Names of the Arrow files; a folder or special file with such a name is a problem."""
        names = []
        for entry in self.location.entries():
            if entry.name.endswith(files.ENDING):
                if entry.is_file:
                    names.append(entry.name)
                else:
                    self._problems[entry.name] = "not a file"
        return names

    def _read(self, name: str, table: str) -> pa.Table | None:
        """A file's rows; None where it is a problem or not of the table."""
        if name in self._problems:
            return None
        try:
            file_table, rows = files.read(self.location, name)
        except files.UnreadableFileError as error:
            self._problems[name] = str(error)
            return None
        return self._for_people(rows) if self._is_of(table, name, file_table) else None

    def _for_people(self, rows: pa.Table) -> pa.Table:
        return rows if self._exact else with_visible_text(rows)

    def _is_of(self, table: str, name: str, file_table: str) -> bool:
        """Whether a file with rows of `file_table` is of the table. One whose name promises another
        than it holds is a problem."""
        promised = files.table_of_name(name)
        if promised not in (file_table, None):
            self._problems[name] = f"named {promised}, but holds {file_table}"
            return False
        return file_table == table


def require_rows(results: Results) -> Results:
    """The same store. Raises InputError where it holds no attempt."""
    if results.attempts().num_rows == 0:
        raise InputError(explain_no_results(results.location.display_name, results.problems))
    return results
