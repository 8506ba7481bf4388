"""Reading a part of a store: some columns of some attempts, from the files that hold them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from analysis_cases import Rows
from dataset_cases import write

from grid.results import files
from grid.results.compact import compact
from grid.results.reader import Results
from grid.results.schema import TABLES


@pytest.fixture
def store(tmp_path: Path) -> Path:
    rows = Rows()
    for quant in ("F16", "Q8_0", "Q4_K_M"):
        rows.decode([1.0, 2.0], quant=quant)
        rows.tasks("math", [1.0, 0.0, 1.0], quant=quant)
    return write(rows, tmp_path / "store", files=3)


@pytest.mark.parametrize("table", TABLES)
def test_projected_rows_equal_those_of_the_whole_table(store: Path, table: str) -> None:
    whole: pa.Table = getattr(Results(store), table)()
    columns = TABLES[table].names[2:5]
    ids = pa.array(["a0001", "a0004"])
    part = Results(store).read(table, columns, ids)
    wanted = whole.filter(pc.is_in(whole["attempt_id"], ids)).select(["attempt_id", *columns])
    assert part.sort_by("attempt_id").equals(wanted.sort_by("attempt_id"))
    assert Results(store).read(table, columns).num_rows == whole.num_rows


def test_no_attempts_give_an_empty_table_with_the_columns(store: Path) -> None:
    rows = Results(store).read("items", ["score"], pa.array([], pa.string()))
    assert (rows.num_rows, rows.column_names) == (0, ["attempt_id", "score"])


def scanned_names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    scan = files.scan

    def scan_and_note(location, name, *arguments):
        names.append(name)
        return scan(location, name, *arguments)

    monkeypatch.setattr(files, "scan", scan_and_note)
    return names


def test_files_without_rows_of_the_attempts_are_not_opened_again(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = scanned_names(monkeypatch)
    results = Results(store)
    first = results.read("metrics", ["value"], pa.array(["a0000"]))
    assert len(set(names)) == 3
    names.clear()
    second_read = results.read("metrics", ["value"], pa.array(["a0000"]))
    assert len(names) == 1
    assert second_read.equals(first)


def test_of_a_compacted_file_only_the_batches_with_the_attempts_are_read(store: Path) -> None:
    compact(store)
    results = Results(store)
    wanted = results.read("items", ["score"], pa.array(["a0001"]))
    assert results.read("items", ["score"], pa.array(["a0001"])).equals(wanted)
    (name,) = (path.name for path in store.glob("items-*"))
    batches = results._indexes["items"].batches_of(pa.array(["a0001"]))
    assert len(batches[name]) == 1
    assert wanted["score"].to_pylist() == [1.0, 0.0, 1.0]


def test_rows_that_stand_in_two_files_count_once(store: Path) -> None:
    for path in list(store.iterdir()):
        shutil.copy(path, path.with_name(files.new_name(path.name.split("-")[0])))
    ids = pa.array(["a0001"])
    assert Results(store).read("items", ["item"], ids)["item"].to_pylist() == [
        "i000",
        "i001",
        "i002",
    ]
    assert Results(store).read("attempts", ["quant"]).num_rows == 6


def test_rows_without_their_attempt_are_not_read(store: Path) -> None:
    for path in store.glob("attempts-*"):
        path.unlink()
    assert Results(store).read("items", ["item"]).num_rows == 0


def test_projection_reads_files_of_schema_version_1() -> None:
    results = Results(Path(__file__).parents[2] / "data" / "results-v1")
    rows = results.read("attempts", ["origin", "quant"])
    assert rows.num_rows == results.attempts().num_rows > 0
    assert set(rows["origin"].to_pylist()) == {""}
    assert results.visible_problems() == results.problems


def test_a_damaged_file_is_a_problem_and_the_rest_is_read(store: Path) -> None:
    lost = sorted(store.glob("items-*"))[0]
    content = bytearray(lost.read_bytes())
    content[len(content) // 3] ^= 0xFF
    lost.write_bytes(bytes(content))
    torn = sorted(store.glob("metrics-*"))[0]
    torn.write_bytes(torn.read_bytes()[:50])
    results = Results(store)
    results.read("items", TABLES["items"].names)
    results.read("metrics", ["value"])
    assert torn.name in {problem.file for problem in results.visible_problems()}
    assert {p.file for p in results.visible_problems()} == {p.file for p in results.problems}


def test_visible_problems_opens_files_that_were_not_read(store: Path) -> None:
    (store / "notes.arrow").write_text("no Arrow")
    (store / "samples-folder.arrow").mkdir()
    problems = Results(store).visible_problems()
    assert [problem.file for problem in problems] == ["notes.arrow", "samples-folder.arrow"]


def test_a_file_that_holds_another_table_than_its_name_says_is_a_problem(store: Path) -> None:
    path = sorted(store.glob("items-*"))[0]
    path.rename(path.with_name(path.name.replace("items", "metrics")))
    results = Results(store)
    results.read("metrics", ["value"])
    assert "named metrics, but holds items" in results.visible_problems()[0].reason
