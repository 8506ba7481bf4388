"""A store for reading: Arrow tables of what is there, whoever wrote it and however it ended."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from grid.errors import InputError
from grid.results import files, select
from grid.results.files import Problem
from grid.results.location import Location
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
    to see rows written since.
    """

    def __init__(self, uri: str | Path) -> None:
        self.location = Location(uri)
        self._tables: dict[str, pa.Table] = {}
        self._final: pa.Table | None = None
        self._problems: dict[str, str] = {}
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

        return run(self, sql)

    @property
    def problems(self) -> list[Problem]:
        """Files that were skipped, and why, sorted by name; reads the tables not read yet."""
        for table in TABLES:
            self._table(table)
        return [Problem(name, reason) for name, reason in sorted(self._problems.items())]

    def _table(self, table: str) -> pa.Table:
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
        readers = _READERS_LOCAL if self.location.local else _READERS_REMOTE
        for _ in range(_LISTINGS):
            # a name only saves reading; a file that promises nothing is asked for every table
            names = [n for n in self._names() if files.table_of_name(n) in (table, None)]
            try:
                with ThreadPoolExecutor(readers) as pool:
                    read = list(pool.map(self._read, names))
            except FileNotFoundError:
                continue
            return [found[1] for found in read if found is not None and found[0] == table]
        raise InputError(f"the files of {self.location.shown} keep changing; try again")

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
        promised = files.table_of_name(name)
        if promised not in (table, None):
            self._problems[name] = f"named {promised}, but holds {table}"
            return None
        return table, content


def require_rows(results: Results) -> Results:
    """The same store. Raises InputError where it holds no attempt."""
    if results.attempts().num_rows == 0:
        raise InputError(f"no results in {results.location.shown}; `grid sweep` fills it")
    return results
