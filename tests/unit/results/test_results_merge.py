"""Rows of other stores are added once, whole, and checked as any file of a store."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from results_cells import cell, measurement_of, write_attempts

from grid.errors import InputError, StoreError, StoreLost
from grid.results import open_for_writing, open_store
from grid.results.location import Location
from grid.results.merge import merge
from grid.results.schema import TABLES, VERSION_KEY, file_schema


def store_with(store: Path, *quants: str) -> Path:
    for quant in quants:
        write_attempts(store, (cell(quant), measurement_of(cell(quant))))
    return store


def quants(store: Path) -> list[str]:
    return sorted(open_store(store).attempts()["quant"].to_pylist())


@pytest.fixture
def own_store(tmp_path: Path) -> Path:
    return store_with(tmp_path / "mine", "Q2_K")


@pytest.fixture
def other_store(tmp_path: Path) -> Path:
    return store_with(tmp_path / "mac", "Q4_K_M", "Q8_0")


def test_attempts_come_with_all_that_belongs_to_them(own_store: Path, other_store: Path) -> None:
    (done,) = merge([other_store], own_store)
    assert (done.source, done.added, done.already_present, done.problems) == (
        str(other_store),
        2,
        0,
        [],
    )
    assert quants(own_store) == ["Q2_K", "Q4_K_M", "Q8_0"]
    source_rows, merged_rows = open_store(other_store), open_store(own_store)
    for table in TABLES:
        wanted = getattr(source_rows, table)().to_pylist()
        rows = getattr(merged_rows, table)().to_pylist()
        assert wanted
        assert [row for row in rows if row in wanted] == wanted
        assert len(rows) == len(wanted) * 3 // 2


def test_a_second_merge_adds_nothing_and_writes_no_file(own_store: Path, other_store: Path) -> None:
    merge([other_store], own_store)
    files = sorted(path.name for path in own_store.iterdir())
    (second_merge,) = merge([other_store], own_store)
    assert (second_merge.added, second_merge.already_present) == (0, 2)
    assert sorted(path.name for path in own_store.iterdir()) == files


def test_an_attempt_that_two_sources_have_is_added_once(
    own_store: Path, other_store: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(other_store, copy)
    first, second = merge([other_store, copy], own_store)
    assert (first.added, second.added, second.already_present) == (2, 0, 2)
    assert quants(own_store) == ["Q2_K", "Q4_K_M", "Q8_0"]


def test_a_store_is_made_where_there_is_none(other_store: Path, tmp_path: Path) -> None:
    merge([other_store], tmp_path / "new")
    assert quants(tmp_path / "new") == ["Q4_K_M", "Q8_0"]


def test_sources_stay_as_they_are(own_store: Path, other_store: Path) -> None:
    before = {path.name: path.read_bytes() for path in other_store.iterdir()}
    merge([other_store], own_store)
    assert {path.name: path.read_bytes() for path in other_store.iterdir()} == before


def test_damaged_and_newer_files_are_named_and_the_others_merged(
    own_store: Path, other_store: Path
) -> None:
    (other_store / "attempts-torn.arrow").write_bytes(b"ARROW1\0\0torn")
    schema = file_schema("attempts")
    newer = schema.with_metadata({**(schema.metadata or {}), VERSION_KEY: b"999"})
    with pa.ipc.new_file(str(other_store / "attempts-newer.arrow"), newer) as writer:
        writer.write_table(newer.empty_table())
    (done,) = merge([other_store], own_store)
    assert done.added == 2
    named = dict(done.problems)
    assert sorted(named) == ["attempts-newer.arrow", "attempts-torn.arrow"]
    assert "upgrade quantgrid" in named["attempts-newer.arrow"]
    assert open_store(own_store).problems == []


def test_a_folder_without_a_store_is_refused_before_anything_is_written(
    own_store: Path, other_store: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no results in .*empty"):
        merge([other_store, tmp_path / "empty"], own_store)
    assert quants(own_store) == ["Q2_K"]


def test_the_store_itself_is_refused(own_store: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(own_store)
    for same in (own_store, f"{own_store}/", tmp_path / "link", f"file://{own_store}"):
        with pytest.raises(InputError, match="is the store itself"):
            merge([same], own_store)


def test_a_store_that_a_sweep_writes_is_refused(own_store: Path, other_store: Path) -> None:
    with open_for_writing(own_store).writer(), pytest.raises(StoreError, match="in use"):
        merge([other_store], own_store)


def test_a_merge_that_breaks_off_is_completed_by_the_same_one(
    own_store: Path, other_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_whole = Location.write

    def raise_disk_full(self: Location, name: str, content: bytes | pa.Buffer) -> None:
        if name.startswith("attempts-"):
            raise OSError("No space left on device")
        write_whole(self, name, content)

    with monkeypatch.context() as broken:
        broken.setattr(Location, "write", raise_disk_full)
        with pytest.raises(StoreLost, match=r"No space left on device; .*the same command goes on"):
            merge([other_store], own_store)
    assert quants(own_store) == ["Q2_K"]
    merge([other_store], own_store)
    assert quants(own_store) == ["Q2_K", "Q4_K_M", "Q8_0"]
