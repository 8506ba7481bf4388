"""Files that cannot be read are said, in one line, and never taken for an empty store."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_sweep import Run
from results_cells import cell, measurement_of, write_attempts

from grid.results.files import UnreadableFile
from grid.results.problems import explain_no_results, missing_rows_note

TORN = UnreadableFile("attempts-1.arrow", "torn, or not an Arrow file")


def test_an_empty_store_is_filled_by_a_sweep() -> None:
    assert explain_no_results("rows", []) == "no results in rows; `grid sweep` fills it"


def test_a_store_of_torn_files_alone_does_not_ask_for_a_sweep() -> None:
    message = explain_no_results("rows", [TORN, TORN])
    assert message.startswith(
        "none of the 2 files of rows can be read, such as attempts-1.arrow: torn"
    )
    assert "sweep" not in message


def test_a_single_torn_file_is_named_in_the_singular() -> None:
    assert explain_no_results("rows", [TORN]).startswith("the one file of rows cannot be read")
    assert missing_rows_note([TORN]).startswith("a file of the store could not be read")
    assert missing_rows_note([]) == ""


@pytest.mark.parametrize("command", ["folklore", "frontier"])
def test_a_torn_file_among_whole_ones_gives_a_note(grid: Run, tmp_path: Path, command: str) -> None:
    write_attempts(tmp_path / "rows", (cell(), measurement_of(cell())))
    (tmp_path / "rows" / "attempts-torn.arrow").write_bytes(b"ARROW1")
    done = grid(command, "--store", "rows")
    assert "note: a file of the store could not be read, such as attempts-torn" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["recommend", "folklore", "frontier", "results"])
def test_a_store_of_one_torn_file_gives_one_line_of_error(
    grid: Run, tmp_path: Path, command: str
) -> None:
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "attempts-torn.arrow").write_bytes(b"ARROW1")
    done = grid(command, "--store", "rows")
    assert done.returncode == 2
    assert done.stderr.startswith("grid: the one file of rows cannot be read")
    assert done.stderr.count("\n") == 1
