"""Merging files: the same rows in fewer files, whatever breaks off in between."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from results_cells import cell, measurement_of, write_attempts

from grid.errors import StoreError, StoreLost
from grid.results import open_store
from grid.results.compact import compact
from grid.results.location import Location
from grid.results.reader import Results
from grid.results.schema import TABLES
from grid.results.store import Store

QUANTS = ("Q2_K", "Q4_K_M", "Q8_0")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Three flushes: three files a table."""
    for quant in QUANTS:
        write_attempts(tmp_path, (cell(quant), measurement_of(cell(quant))))
    return tmp_path


def sorted_rows(results: Results) -> dict[str, list[dict[str, object]]]:
    return {table: sorted(getattr(results, table)().to_pylist(), key=repr) for table in TABLES}


def arrow_files(store: Path) -> list[str]:
    return sorted(path.name for path in store.glob("*.arrow"))


def test_compaction_keeps_all_rows_in_one_file_a_table(store: Path) -> None:
    before = sorted_rows(open_store(store))
    merged, written, problems = compact(store)
    assert (merged, written, problems) == (12, 4, [])
    assert [name.split("-")[0] for name in arrow_files(store)] == sorted(TABLES)
    assert sorted_rows(open_store(store)) == before


def test_compacting_twice_changes_nothing(store: Path) -> None:
    compact(store)
    files = arrow_files(store)
    assert compact(store).written == 0
    assert arrow_files(store) == files


def test_compaction_leaves_and_reports_torn_and_foreign_files(store: Path) -> None:
    (store / "attempts-torn.arrow").write_bytes(b"ARROW1\0\0torn")
    foreign = pa.table({"x": [1]})
    with pa.ipc.new_file(str(store / "foreign.arrow"), foreign.schema) as writer:
        writer.write_table(foreign)
    problems = compact(store).problems
    assert [problem.file for problem in problems] == ["attempts-torn.arrow", "foreign.arrow"]
    assert {"attempts-torn.arrow", "foreign.arrow"} <= set(arrow_files(store))


@pytest.mark.parametrize("removed", range(12))
def test_interrupted_compaction_shows_no_row_twice(
    store: Path, removed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted_rows(open_store(store))
    remove, left = Location.remove, iter(range(removed))

    def fail_after_first(self: Location, name: str) -> None:
        if name.endswith(".arrow") and next(left, None) is None:
            raise OSError(5, "Input/output error")
        remove(self, name)

    monkeypatch.setattr(Location, "remove", fail_after_first)
    with pytest.raises(StoreLost, match="no row is lost"):
        compact(store)
    monkeypatch.undo()
    assert sorted_rows(open_store(store)) == before
    compact(store)
    assert sorted_rows(open_store(store)) == before
    assert len(arrow_files(store)) == len(TABLES)


def test_compaction_removes_unfinished_files_of_a_killed_writer(store: Path) -> None:
    part = store / "attempts-20260101T000000.000000Z-00000000.arrow.0a0b0c0d.part"
    part.write_bytes(b"half")
    (store / "someone's.part").write_bytes(b"mine")
    assert open_store(store).problems == []
    compact(store)
    assert not part.exists()
    assert (store / "someone's.part").exists()


def test_a_store_in_use_is_not_compacted(store: Path) -> None:
    before = arrow_files(store)
    with Store(store).writer(), pytest.raises(StoreError, match="in use"):
        compact(store)
    assert arrow_files(store) == before


def test_rows_whose_attempts_file_is_torn_are_kept(store: Path) -> None:
    torn = next(store.glob("attempts-*.arrow"))
    whole = torn.read_bytes()
    before = sorted_rows(open_store(store))
    torn.write_bytes(whole[:100])
    compact(store)
    torn.write_bytes(whole)
    assert sorted_rows(open_store(store)) == before
