"""`grid tasks`: lists, checks and shows tasks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from grid.cli import command_line
from grid.errors import InputError
from grid.results.statistics import resolvable_difference


def tasks(*words: str) -> Result:
    return CliRunner().invoke(command_line, ["tasks", *words], catch_exceptions=False)


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    path = tmp_path / "wrong.jsonl"
    path.write_text('{"prompt": "q"}\n' * 60)
    return path


@pytest.fixture
def right(tmp_path: Path) -> Path:
    path = tmp_path / "right.csv"
    path.write_text("prompt,A,B,answer\n" + "".join(f"q{n},x,y,A\n" for n in range(100)))
    return path


def test_check_names_wrong_lines_and_how_many_it_does_not_show(wrong: Path) -> None:
    result = tasks("check", str(wrong))
    assert result.exit_code == 1
    assert f"{wrong}, line 1: no answer" in result.output
    assert "60 faults, 10 of them not shown" in result.output


def test_check_of_a_right_file_says_what_it_can_tell(right: Path) -> None:
    result = tasks("check", str(right), "--json")
    assert result.exit_code == 0
    facts = json.loads(result.output)
    assert facts["items"] == 100
    assert facts["scoring"] == {"choice": 100}
    assert facts["chance"] == 0.5
    assert facts["resolves"] == 0.08
    assert "8.0 points" in tasks("check", str(right)).output


def test_items_of_one_group_tell_no_more_than_the_group(tmp_path: Path) -> None:
    path = tmp_path / "grouped.jsonl"
    lines = [{"prompt": f"{i}?", "answer": "b", "group": f"passage {i // 5}"} for i in range(100)]
    path.write_text("\n".join(map(json.dumps, lines)))
    facts = json.loads(tasks("check", str(path), "--json").output)
    assert (facts["items"], facts["groups"]) == (100, 20)
    assert facts["resolves"] == resolvable_difference(20)
    assert "of 20 groups" in tasks("check", str(path)).output


def test_check_of_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        tasks("check", str(tmp_path / "none.csv"))


def test_list_has_sets_tasks_and_what_they_tell() -> None:
    listed = json.loads(tasks("list", "--json").output)
    assert {"quick", "standard", "reasoning"} <= set(listed["sets"])
    assert listed["tasks"]["hellaswag"]["task_class"] == "commonsense"
    assert 0 < listed["sets"]["quick"]["resolves"] < 0.05
    assert "hellaswag" in tasks("list").output


def test_show_prints_items_as_they_are_asked(right: Path) -> None:
    output = tasks("show", str(right), "--items", "2").output
    assert output.count("item ") == 2
    assert "* 0: x" in output
