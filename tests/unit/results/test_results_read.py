"""Reading a store: which attempt counts, and files that nobody vouches for."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from results_cells import NODE, cell, measurement_of, write_attempts

import grid
from grid.cells.measurement import Status
from grid.cells.workload import Quality
from grid.errors import InputError
from grid.results import files, open_store
from grid.results.location import Location
from grid.results.reader import require_rows
from grid.results.rows import attempt_rows
from grid.results.schema import ATTEMPTS, SCHEMA_VERSION, TABLES, file_schema
from grid.results.select import final

FROZEN = Path(__file__).parents[2] / "data" / "results-v1"


def write_runs(store: Path, *outcomes: tuple[Status, float]) -> None:
    """One cell's attempts, each with its status and time."""
    write_attempts(
        store, *((cell(), measurement_of(cell(), status, at)) for status, at in outcomes)
    )


def test_a_store_that_does_not_exist_has_empty_tables(tmp_path: Path) -> None:
    results = open_store(tmp_path / "none")
    assert [results.attempts().num_rows, results.items().num_rows] == [0, 0]
    assert results.attempts().schema.equals(ATTEMPTS)
    assert results.finished_ids() == set()
    assert results.wide().num_rows == 0
    assert results.problems == []
    assert not (tmp_path / "none").exists()


def test_an_empty_store_names_the_command_that_fills_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no results in .*; `grid sweep` fills it"):
        require_rows(open_store(tmp_path))


def test_a_file_is_not_a_store(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(InputError, match="is a file; a store is a folder"):
        open_store(tmp_path / "x")


def test_an_unknown_kind_of_place_is_refused_without_its_password() -> None:
    with pytest.raises(InputError) as refused:
        open_store("nosuch://user:secret@host/x")
    assert "nosuch://host/x is not a place for a store" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_file_uri_is_the_folder(tmp_path: Path) -> None:
    write_runs(tmp_path, ("ok", 1.0))
    assert open_store(tmp_path.as_uri()).attempts().num_rows == 1


def test_grid_open_reads_a_store(tmp_path: Path) -> None:
    write_runs(tmp_path, ("ok", 1.0))
    assert grid.open(tmp_path).attempts()["status"].to_pylist() == ["ok"]


@pytest.mark.parametrize(
    ("outcomes", "counts"),
    [
        ([("ok", 1.0), ("ok", 2.0)], 2.0),
        ([("ok", 1.0), ("error", 2.0)], 1.0),
        ([("ok", 1.0), ("skipped", 2.0)], 1.0),
        ([("error", 1.0), ("oom", 2.0)], 2.0),
        ([("error", 1.0), ("timeout", 3.0), ("lost", 2.0)], 3.0),
        ([("skipped", 1.0), ("error", 2.0)], 1.0),
        ([("unsupported", 2.0), ("ok", 1.0)], 2.0),
    ],
)
def test_final_attempt_of_a_cell(
    tmp_path: Path, outcomes: list[tuple[Status, float]], counts: float
) -> None:
    write_runs(tmp_path, *outcomes)
    (row,) = open_store(tmp_path).final().to_pylist()
    assert row["started_at"].timestamp() == counts


@given(st.permutations(range(6)))
def test_final_attempt_does_not_depend_on_row_order(order: list[int]) -> None:
    rows = pa.table(
        {
            "cell_id": ["a", "a", "a", "b", "b", "b"],
            "attempt_id": ["1", "2", "3", "4", "5", "6"],
            "status": ["ok", "ok", "error", "lost", "error", "error"],
            "started_at": [5, 5, 9, 1, 2, 2],
        }
    )
    assert final(rows.take(order))["attempt_id"].to_pylist() == ["2", "6"]


@pytest.mark.parametrize(
    ("status", "finished"),
    [
        ("ok", True),
        ("oom", True),
        ("unsupported", True),
        ("skipped", False),
        ("error", False),
        ("timeout", False),
        ("lost", False),
    ],
)
def test_which_statuses_finish_a_cell(tmp_path: Path, status: Status, finished: bool) -> None:
    write_runs(tmp_path, (status, 1.0))
    assert open_store(tmp_path).finished_ids() == ({cell().id} if finished else set())


def test_a_run_that_scored_fewer_chunks_is_named(tmp_path: Path) -> None:
    text = Quality(text="t.txt", text_sha256="0", context=64, chunks=4, reference=None)
    early, whole = cell("F16", text), cell("Q8_0", text)
    facts = {"scored_chunks": "1 of 4: it is the reference's, bit for bit"}
    run = msgspec.structs.replace(measurement_of(early), environment=facts)
    write_attempts(
        tmp_path, (early, run), (whole, measurement_of(whole)), (cell(), measurement_of(cell()))
    )
    results = open_store(tmp_path)
    assert results.ended_early_ids() == {early.id}
    assert results.finished_ids() == {early.id, whole.id, cell().id}


def test_a_cell_is_finished_for_a_version_that_measured_it(tmp_path: Path) -> None:
    write_attempts(tmp_path, (cell(), measurement_of(cell(), version="1.0")))
    results = open_store(tmp_path)
    assert results.finished_ids("1.0") == {cell().id}
    assert results.finished_ids("2.0") == set()
    assert results.finished_ids({"fake": "1.0"}) == {cell().id}
    assert results.finished_ids({"fake": "2.0", "other": "1.0"}) == set()


def test_frames_hold_the_tables(tmp_path: Path) -> None:
    write_runs(tmp_path, ("ok", 1.0))
    results = open_store(tmp_path)
    assert results.frame("attempts")["environment"].tolist() == [{"python": "3.11"}]
    assert results.frame()["decode_tps"].tolist() == [11.0]
    with pytest.raises(InputError, match="no table 'metric'"):
        results.frame("metric")


def test_foreign_files_are_reported_skipped_and_kept(tmp_path: Path) -> None:
    write_runs(tmp_path, ("ok", 1.0))
    (tmp_path / "attempts-empty.arrow").write_bytes(b"")
    (tmp_path / "metrics-text.arrow").write_text("quant,speed\n")
    (tmp_path / "items-folder.arrow").mkdir()
    foreign = pa.table({"x": [1]})
    with pa.ipc.new_file(str(tmp_path / "foreign.arrow"), foreign.schema) as writer:
        writer.write_table(foreign)
    ours = pa.table({"x": [1]}).replace_schema_metadata(file_schema("samples").metadata)
    with pa.ipc.new_file(str(tmp_path / "samples-cols.arrow"), ours.schema) as writer:
        writer.write_table(ours)
    (tmp_path / "notes.txt").write_text("mine")
    before = sorted(path.name for path in tmp_path.iterdir())

    results = open_store(tmp_path)
    reasons = {problem.file: problem.reason for problem in results.problems}
    assert sorted(reasons) == [
        "attempts-empty.arrow",
        "foreign.arrow",
        "items-folder.arrow",
        "metrics-text.arrow",
        "samples-cols.arrow",
    ]
    assert reasons["foreign.arrow"] == "an Arrow file, but not one of a quantgrid store"
    assert reasons["items-folder.arrow"] == "not a file"
    assert "columns are not those of samples" in reasons["samples-cols.arrow"]
    assert results.attempts().num_rows == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_file_of_a_newer_schema_is_reported_and_skipped(tmp_path: Path) -> None:
    write_runs(tmp_path, ("ok", 1.0))
    newer = {**file_schema("attempts").metadata, b"quantgrid.schema": b"%d" % (SCHEMA_VERSION + 1)}
    schema = ATTEMPTS.with_metadata(newer)
    with pa.ipc.new_file(str(tmp_path / "attempts-new.arrow"), schema) as writer:
        writer.write_table(schema.empty_table())
    results = open_store(tmp_path)
    (problem,) = results.problems
    assert problem.file == "attempts-new.arrow"
    assert "upgrade quantgrid" in problem.reason
    assert results.attempts().num_rows == 1


def test_a_file_renamed_by_its_owner_is_still_read(tmp_path: Path) -> None:
    write_runs(tmp_path, ("ok", 1.0))
    (file,) = tmp_path.glob("attempts-*.arrow")
    file.rename(tmp_path / "from the other machine.arrow")
    assert open_store(tmp_path).attempts().num_rows == 1


@pytest.fixture(scope="module")
def file_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    store = tmp_path_factory.mktemp("whole")
    write_runs(store, ("ok", 1.0), ("error", 2.0))
    (file,) = store.glob("attempts-*.arrow")
    return file.read_bytes()


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_file_cut_anywhere_is_skipped(
    data: st.DataObject, file_bytes: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    length = data.draw(st.integers(0, len(file_bytes) - 1))
    store = tmp_path_factory.mktemp("cut")
    (store / "attempts-cut.arrow").write_bytes(file_bytes[:length])
    with pytest.raises(files.UnreadableFileError):
        files.read(Location(store), "attempts-cut.arrow")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_file_with_damaged_bytes_is_read_whole_or_skipped(
    data: st.DataObject, file_bytes: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    damaged = bytearray(file_bytes)
    for at in data.draw(st.lists(st.integers(0, len(file_bytes) - 1), min_size=1, max_size=20)):
        damaged[at] = data.draw(st.integers(0, 255))
    store = tmp_path_factory.mktemp("damaged")
    (store / "attempts-damaged.arrow").write_bytes(bytes(damaged))
    results = open_store(store)
    assert results.attempts().num_rows in (0, 2)
    assert (results.attempts().num_rows == 0) == bool(results.problems)
    results.final().validate(full=True)


def test_rows_of_schema_version_1_are_read() -> None:
    results = open_store(FROZEN)
    assert results.problems == []
    assert results.attempts().sort_by("quant").select(["attempt_id", "status"]).to_pylist() == [
        {"attempt_id": "attempt-Q4_K_M", "status": "ok"},
        {"attempt_id": "attempt-Q8_0", "status": "oom"},
    ]
    (metric,) = results.metrics().to_pylist()
    assert (metric["name"], metric["value"], metric["low"]) == ("decode_tps", 11.0, 8.5)
    assert [results.samples().num_rows, results.items().num_rows] == [2, 1]
    assert results.attempts().schema.equals(TABLES["attempts"])


def test_older_files_are_brought_to_the_present_step_by_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As version 3 will see files of version 1: both steps are taken, in order."""
    old = pa.table({"attempt_id": ["a"], "cell_id": ["c"]})
    old = old.replace_schema_metadata({b"quantgrid.schema": b"1", b"quantgrid.table": b"items"})
    with pa.ipc.new_file(str(tmp_path / "items-old.arrow"), old.schema) as writer:
        writer.write_table(old)
    monkeypatch.setattr(files, "SCHEMA_VERSION", 3)
    present = TABLES["items"]

    def add_class(table: str, rows: pa.Table) -> pa.Table:
        return rows.append_column("task_class", pa.array([table]))

    def add_rest(table: str, rows: pa.Table) -> pa.Table:
        for field in list(present)[3:]:
            rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
        return rows

    table, rows = files.read(Location(tmp_path), "items-old.arrow", {1: add_class, 2: add_rest})
    assert table == "items"
    assert rows.schema.equals(present)
    assert rows["task_class"].to_pylist() == ["items"]


def test_a_file_that_vanishes_while_reading_makes_the_reader_list_the_folder_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_runs(tmp_path, ("ok", 1.0))
    results = open_store(tmp_path)
    (old,) = tmp_path.glob("attempts-*.arrow")
    read, gone = files.read, iter([True])

    def compacted_meanwhile(location: Location, name: str) -> tuple[str, pa.Table]:
        if next(gone, False):
            old.rename(tmp_path / "attempts-merged.arrow")
        return read(location, name)

    monkeypatch.setattr(files, "read", compacted_meanwhile)
    assert results.attempts().num_rows == 1


def test_finished_ids_of_a_hundred_thousand_cells_are_fast(tmp_path: Path) -> None:
    """Each cell failed once and was then measured; the figure to reach, with planning, is 20 s."""
    cells, parts = 100_000, 10
    row = attempt_rows(
        cell(), measurement_of(cell()), (), NODE, attempt_id="", sweep_id="s", sweep="q"
    )["attempts"]
    for part in range(2 * parts):
        count = cells // parts
        ids = [f"{number % cells:016x}" for number in range(part * count, (part + 1) * count)]
        rows = pa.Table.from_pylist(row * count, ATTEMPTS)
        rows = rows.set_column(0, "attempt_id", pa.array([f"{part}-{cell_id}" for cell_id in ids]))
        rows = rows.set_column(1, "cell_id", pa.array(ids))
        status = "error" if part < parts else "ok"
        rows = rows.set_column(4, "status", pa.array([status] * count))
        rows = rows.cast(ATTEMPTS)
        (tmp_path / files.new_name("attempts")).write_bytes(files.encode("attempts", rows))
    begun = time.perf_counter()
    finished = open_store(tmp_path).finished_ids()
    assert time.perf_counter() - begun < 10
    assert finished == {f"{number:016x}" for number in range(cells)}
