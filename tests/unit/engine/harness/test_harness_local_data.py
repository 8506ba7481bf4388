"""Local files are found by what is in them, and read as the harness's documents."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from own_cache import own_cache as own_cache

from grid.engine.harness.local_data import find_local_data
from grid.engine.harness.messages import TaskName
from grid.engine.harness.rows import read_rows
from grid.engine.harness.shapes import shape_named
from grid.errors import InputError

ARC_EASY = TaskName(
    name="arc_easy",
    kind="multiple_choice",
    dataset="allenai/ai2_arc",
    subset="ARC-Easy",
    split="test",
)
PIQA = TaskName(name="piqa", kind="multiple_choice", dataset="baber/piqa", split="validation")
GSM8K = TaskName(name="gsm8k", kind="generate_until", dataset="openai/gsm8k", split="test")
LAMBADA = TaskName(
    name="lambada_openai",
    kind="loglikelihood",
    dataset="EleutherAI/lambada_openai",
    subset="default",
    split="test",
)

ARC_ROW = {"query": "Question: Why?", "choices": ["a", "b", "c", "d"], "gold": 2}
PIQA_ROW = {"query": "Question: How?\n", "choices": ["this way", "that way"], "gold": 1}
GSM8K_ROW = {"question": "1 + 1?", "answer": "2\n#### 2"}


def write_rows(path: Path, *rows: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def convert(name: str, row: dict[str, Any]) -> dict[str, Any]:
    return shape_named(name).convert(row)


def test_files_are_told_apart_by_their_rows_not_by_their_names(tmp_path: Path) -> None:
    questions = write_rows(tmp_path / "first.jsonl", ARC_ROW)
    goals = write_rows(tmp_path / "second.jsonl", PIQA_ROW)
    arc, piqa = find_local_data(ARC_EASY, tmp_path), find_local_data(PIQA, tmp_path)
    assert arc is not None
    assert piqa is not None
    assert (arc.paths, arc.shape) == ({"eval": str(questions)}, "arc ready-made")
    assert (piqa.paths, piqa.shape) == ({"eval": str(goals)}, "piqa ready-made")


def test_ready_made_rows_are_noted(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.jsonl", PIQA_ROW)
    ready_made = find_local_data(PIQA, tmp_path)
    assert ready_made is not None
    assert "ready-made rows" in ready_made.note
    write_rows(tmp_path / "a.jsonl", {"goal": "g", "sol1": "x", "sol2": "y", "label": 0})
    as_on_the_hub = find_local_data(PIQA, tmp_path)
    assert as_on_the_hub is not None
    assert as_on_the_hub.note == ""


def test_arc_challenge_is_not_taken_for_arc_easy(tmp_path: Path) -> None:
    write_rows(tmp_path / "arc_challenge.jsonl", ARC_ROW)
    assert find_local_data(ARC_EASY, tmp_path) is None
    easy = write_rows(tmp_path / "arc-easy.jsonl", ARC_ROW)
    data = find_local_data(ARC_EASY, tmp_path)
    assert data is not None
    assert data.paths == {"eval": str(easy)}


def test_two_files_that_look_alike_are_not_guessed_between(tmp_path: Path) -> None:
    write_rows(tmp_path / "one.jsonl", PIQA_ROW)
    write_rows(tmp_path / "two.jsonl", PIQA_ROW)
    with pytest.raises(InputError, match=r"one.jsonl and two.jsonl all look like data of piqa"):
        find_local_data(PIQA, tmp_path)


def test_training_split_gives_the_examples(tmp_path: Path) -> None:
    test = write_rows(tmp_path / "math" / "test.jsonl.gz", GSM8K_ROW)
    train = write_rows(tmp_path / "math" / "train.jsonl", GSM8K_ROW)
    data = find_local_data(GSM8K, tmp_path)
    assert data is not None
    assert data.paths == {"eval": str(test), "train": str(train)}


def test_a_training_split_alone_is_no_data(tmp_path: Path) -> None:
    write_rows(tmp_path / "train.jsonl", GSM8K_ROW)
    assert find_local_data(GSM8K, tmp_path) is None


def test_sums_are_no_passages(tmp_path: Path) -> None:
    write_rows(tmp_path / "sums.jsonl", {"context": "25-759=", "continuation": "-734"})
    assert find_local_data(LAMBADA, tmp_path) is None
    passage = {"context": "one two three four five six seven eight nine ten", "continuation": "me"}
    write_rows(tmp_path / "passages.jsonl", passage)
    data = find_local_data(LAMBADA, tmp_path)
    assert data is not None
    assert data.shape == "lambada ready-made"


def test_any_task_takes_a_file_of_its_name(tmp_path: Path) -> None:
    task = TaskName(name="boolq", kind="multiple_choice", dataset="aps/super_glue", subset="boolq")
    file = write_rows(tmp_path / "boolq.jsonl", {"passage": "p", "question": "q", "label": 1})
    data = find_local_data(task, tmp_path)
    assert data is not None
    assert (data.paths, data.shape) == ({"eval": str(file)}, "")


def test_content_decides_the_hash(tmp_path: Path) -> None:
    write_rows(tmp_path / "a" / "x.jsonl", PIQA_ROW)
    write_rows(tmp_path / "b" / "y.jsonl", PIQA_ROW)
    write_rows(tmp_path / "c" / "x.jsonl", {**PIQA_ROW, "gold": 0})
    hashes = []
    for name in "abc":
        data = find_local_data(PIQA, tmp_path / name)
        assert data is not None
        hashes.append(data.sha256)
    assert hashes[0] == hashes[1] != hashes[2]


def test_winogrande_rows_come_apart_where_their_contexts_differ() -> None:
    row = {
        "context_options": ["Sue met Mia, so Sue", "Sue met Mia, so Mia"],
        "continuation": "smiled.",
        "gold": 1,
    }
    assert convert("winogrande ready-made", row) == {
        "sentence": "Sue met Mia, so _ smiled.",
        "option1": "Sue",
        "option2": "Mia",
        "answer": "2",
    }


def test_copa_rows_lose_the_comma_that_the_harness_does_not_write() -> None:
    row = {"query": "It rained, because", "choices": ["of clouds.", "of me."], "gold": 0}
    document = convert("copa ready-made", row)
    assert document["premise"] == "It rained."
    assert document["question"] == "cause"


def test_truthfulqa_table_has_every_answer() -> None:
    row = {
        "Question": "Q?",
        "Best Answer": "Yes",
        "Correct Answers": "Yes; Surely.",
        "Incorrect Answers": "No; Never; ",
    }
    document = convert("truthfulqa csv", row)
    assert document["mc1_targets"] == {"choices": ["Yes.", "No.", "Never."], "labels": [1, 0, 0]}
    assert document["mc2_targets"]["choices"] == ["Yes.", "Surely.", "No.", "Never."]
    assert document["mc2_targets"]["labels"] == [1, 1, 0, 0]


def test_an_answer_beyond_the_choices_is_refused() -> None:
    with pytest.raises(ValueError, match="gold 4 is no index of its 4 choices"):
        convert("arc ready-made", {**ARC_ROW, "gold": 4})


def test_lines_that_are_wrong_are_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"a": 1}\n{"a": \n')
    with pytest.raises(InputError, match=r"broken.jsonl, line 2: not JSON"):
        read_rows(broken)
    latin = tmp_path / "latin.jsonl"
    latin.write_bytes(b'{"a": 1}\n{"a": "\xe9"}\n')
    with pytest.raises(InputError, match=r"latin.jsonl, line 2: not UTF-8"):
        read_rows(latin)
    table = tmp_path / "table.csv"
    table.write_text("a,b\n1,2\n3\n")
    with pytest.raises(InputError, match=r"table.csv, line 3: 1 fields where .* has 2"):
        read_rows(table)
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(b'{"a": 1}\n')[:-9])
    with pytest.raises(InputError, match=r"cut.jsonl.gz: "):
        read_rows(cut)


def test_csv_without_header_is_mmlu(tmp_path: Path) -> None:
    file = tmp_path / "anatomy_test.csv"
    file.write_text('"One, two?",a,b,c,d,B\n')
    (row,) = read_rows(file)
    document = convert("mmlu csv", row)
    assert document == {"question": "One, two?", "choices": ["a", "b", "c", "d"], "answer": 1}
