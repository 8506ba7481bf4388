"""Items that hide a fact in a long text: exact answers, at stated depths, always the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from grid.cells.task_files import check_task_file
from grid.cells.task_files.needles import DEPTHS, needle_rows, write_needles
from grid.errors import InputError

TEXT = " ".join(f"word{number}" for number in range(5000))


def test_the_answer_is_the_code_of_the_door_that_is_asked_for() -> None:
    for line in list(needle_rows(TEXT, 400, 20))[1:]:
        row = json.loads(line)
        passage, question = row["prompt"].rsplit("\n\n", 1)
        assert f"{question} {row['answer']}." in passage
        assert f" {row['answer']}" in row["choices"]
        for choice in row["choices"]:
            assert passage.count(f"{choice}.") == 1


def test_the_fact_stands_at_its_depth() -> None:
    for index, line in enumerate(list(needle_rows(TEXT, 400, 10))[1:]):
        row = json.loads(line)
        passage, question = row["prompt"].rsplit("\n\n", 1)
        before = passage.split(question)[0].split()
        assert len(before) / len(passage.split()) == pytest.approx(DEPTHS[index % 5], abs=0.06)


def test_a_written_file_is_a_task_file_and_the_same_each_time(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(TEXT)
    for name in ("a.jsonl", "b.jsonl"):
        write_needles(tmp_path / "text.txt", tmp_path / name, 300, 12, 7)
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    task = check_task_file(tmp_path / "a.jsonl")
    assert not task.faults
    assert task.task_class == "context"
    assert [len(item.choices) for item in task.items] == [4] * 12
    assert all(item.kind == "choice" for item in task.items)


def test_a_short_text_is_refused_in_one_line() -> None:
    with pytest.raises(InputError, match="5000 words, fewer than the 6000 of a passage"):
        list(needle_rows(TEXT, 6000, 5))
