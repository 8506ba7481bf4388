"""docs/tasks.md: its examples are task files, its tables have every column and scoring."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from grid.cells.task_catalog import QUICK, STANDARD, task_sets
from grid.cells.task_files import COLUMNS, read_task_file
from grid.cells.task_files.columns import DEFAULT_COLUMNS, SCORINGS

PAGE = (Path(__file__).parents[3] / "docs" / "tasks.md").read_text()


@pytest.mark.parametrize(("ending", "language", "items"), [("jsonl", "json", 3), ("csv", "csv", 2)])
def test_the_examples_are_task_files(
    tmp_path: Path, ending: str, language: str, items: int
) -> None:
    blocks = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / f"example.{ending}"
    path.write_text(blocks[0])
    assert len(read_task_file(path).items) == items


@pytest.mark.parametrize("name", [*COLUMNS, *SCORINGS, *DEFAULT_COLUMNS, *task_sets()])
def test_every_column_scoring_and_set_is_explained(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_the_page_has_the_numbers_of_the_sets() -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith("| `quick` |"))
    assert sorted(map(int, re.findall(r" (\d+)[,:]", row))) == sorted(QUICK.values())
    assert f"{len(STANDARD)} tasks" in PAGE
