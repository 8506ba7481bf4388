"""Task files of the user: what becomes an item, and what is wrong on which line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grid.cells.items import Item, Message, item_fault
from grid.cells.scoring import score_response
from grid.cells.task_files import check_task_file, read_task_file
from grid.errors import InputError


def jsonl(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "mine.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def csv_file(folder: Path, text: str) -> Path:
    path = folder / "mine.csv"
    path.write_bytes(text.encode())
    return path


def only_item(path: Path) -> Item:
    (item,) = read_task_file(path).items
    assert item_fault(item) == ""
    return item


def faults(path: Path) -> list[tuple[int, str]]:
    return [(fault.line, fault.text) for fault in check_task_file(path).faults]


@pytest.mark.parametrize(
    ("row", "right", "wrong"),
    [
        ({"answer": "Paris"}, " Paris\n", "It is Paris"),
        ({"answer": "Paris", "scoring": "contains"}, "It is paris.", "London"),
        ({"answers": ["blue", "azure"], "scoring": "contains"}, "azure!", "red"),
        ({"answer": "^yes\\b", "scoring": "regex"}, "yes, it is", "no, yes"),
        ({"answer": 1234, "scoring": "number"}, "That makes 1,234.0", "1235"),
        ({"answer": {"a": 1}, "scoring": "json"}, '{"a": 1}', '{"a": 2}'),
        ({"scoring": "json"}, "[1]", "[1"),
        ({"choices": ["x", "y"], "answer": "y", "scoring": "written_choice"}, "B.", "A."),
    ],
)
def test_each_scoring_takes_the_right_answer_and_no_other(
    tmp_path: Path, row: dict[str, Any], right: str, wrong: str
) -> None:
    item = only_item(jsonl(tmp_path, {"prompt": "?", **row}))
    assert score_response(item, right).score == 1
    assert score_response(item, wrong).score == 0


@pytest.mark.parametrize("answer", ["London", "b", "B", 1, "1"])
def test_a_right_choice_is_named_by_text_letter_or_index(tmp_path: Path, answer: Any) -> None:
    row = {"prompt": "UK:", "choices": ["Paris", "London", "Rome"], "answer": answer}
    item = only_item(jsonl(tmp_path, row))
    assert (item.kind, item.answer, item.chance) == ("choice", 1, pytest.approx(1 / 3))
    assert item.choices == (" Paris", " London", " Rome")


def test_a_number_that_is_a_choice_is_that_choice(tmp_path: Path) -> None:
    row = {"prompt": "1+1=", "choices": ["3", "2", "1"], "answer": "1"}
    assert only_item(jsonl(tmp_path, row)).answer == 2
    assert only_item(jsonl(tmp_path, {**row, "answer": 1})).answer == 1


def test_a_written_choice_shows_letters_and_has_a_chance(tmp_path: Path) -> None:
    row = {"prompt": "Pick.", "choices": ["x", "y"], "answer": 0, "scoring": "written_choice"}
    item = only_item(jsonl(tmp_path, row))
    assert item.kind == "generate"
    assert item.chance == 0.5
    assert "A. x\nB. y" in item.messages[-1].content
    assert item.context.endswith("Answer:")


def test_conversations_and_system_messages(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    turns.append({"role": "user", "content": "c"})
    item = only_item(jsonl(tmp_path, {"messages": turns, "system": "s", "answer": "d"}))
    assert item.messages[0] == Message("system", "s")
    assert [message.content for message in item.messages] == ["s", "a", "b", "c"]
    assert item.context == "s\n\na\n\nb\n\nc"


def test_a_first_line_sets_the_class_the_chat_and_defaults(tmp_path: Path) -> None:
    defaults = {"class": "math", "chat": False, "scoring": "number", "max_tokens": 9}
    path = jsonl(
        tmp_path, {"defaults": defaults}, {"prompt": "1", "answer": 1}, {"prompt": "2", "answer": 2}
    )
    file = read_task_file(path)
    assert (file.name, file.task_class, file.chat) == ("mine", "math", False)
    assert [(item.id, item.max_tokens, item.scoring) for item in file.items] == [
        ("2", 9, "number"),
        ("3", 9, "number"),
    ]


def test_csv_with_byte_order_mark_crlf_quotes_and_letter_columns(tmp_path: Path) -> None:
    text = '\ufeffid,question,A,B,C,answer\r\n1,"What, is\r\nit",x,y,,B\r\n2,q,x,y,z,z\r\n'
    file = read_task_file(csv_file(tmp_path, text))
    assert [item.context for item in file.items] == ["What, is\r\nit", "q"]
    assert [len(item.choices) for item in file.items] == [2, 3]
    assert [item.answer for item in file.items] == [1, 2]


def test_csv_lists_stand_between_bars(tmp_path: Path) -> None:
    text = "prompt,answers,scoring,until\nq,red | rot,contains,\\n\\n|END\n"
    item = only_item(csv_file(tmp_path, text))
    assert item.answers == ("red", "rot")
    assert item.until == ("\n\n", "END")


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"prompt": "", "answer": "x"}, "the prompt is empty"),
        ({"answer": "x"}, "no prompt"),
        ({"prompt": "q"}, "no answer"),
        ({"prompt": "q", "answer": " "}, "no answer"),
        ({"prompt": "q", "choices": ["a", "b"]}, "no answer"),
        ({"prompt": "q", "choices": ["a", "b"], "answer": 2}, "answer 2: the 2 choices are 0 to 1"),
        ({"prompt": "q", "choices": ["a", "b"], "answer": -1}, "the 2 choices are 0 to 1"),
        ({"prompt": "q", "choices": ["a", "b"], "answer": "c"}, "none of the choices"),
        ({"prompt": "q", "choices": ["a"], "answer": 0}, "at least two"),
        ({"prompt": "q", "choices": ["a", "a"], "answer": 0}, "two choices are equal"),
        ({"prompt": "q", "choices": ["a", ""], "answer": 0}, "a choice is empty"),
        ({"prompt": "q", "answer": "x", "scoring": "exct"}, "Did you mean 'exact'?"),
        ({"prompt": "q", "answer": "(", "scoring": "regex"}, "no regular expression"),
        ({"prompt": "q", "answer": "many", "scoring": "number"}, "is no number"),
        ({"prompt": "q", "answer": "{", "scoring": "json"}, "is no JSON"),
        ({"prompt": "q", "answer": "x", "max_tokens": 0}, "max_tokens: expected a whole number"),
        ({"promt": "q", "answer": "x"}, "unknown column 'promt'. Did you mean 'prompt'?"),
        ({"prompt": 5, "answer": "x"}, "prompt: expected text"),
        ({"messages": [{"role": "robot", "content": "x"}], "answer": "x"}, "unknown role 'robot'"),
    ],
)
def test_a_wrong_row_is_named_by_its_line(tmp_path: Path, row: dict[str, Any], text: str) -> None:
    path = jsonl(tmp_path, {"prompt": "fine", "answer": "x"}, row)
    ((line, fault),) = faults(path)
    assert line == 2
    assert text in fault
    with pytest.raises(InputError, match=r"mine\.jsonl, line 2: "):
        read_task_file(path)


def test_every_wrong_line_is_named_in_order(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    lines = [b'{"prompt": "q"}', b"{bad", b"[1]", b'{"prompt": "caf\xe9"}', b'{"id": "1"}']
    path.write_bytes(b"\n".join(lines))
    assert [line for line, _ in faults(path)] == [1, 2, 3, 4, 5]
    assert "0xe9" in dict(faults(path))[4]
    with pytest.raises(InputError, match=r"line 1: no answer \(4 more: grid tasks check"):
        read_task_file(path)


def test_an_id_that_is_there_twice_names_the_first_line(tmp_path: Path) -> None:
    row = {"id": "x", "prompt": "q", "answer": "a"}
    assert faults(jsonl(tmp_path, row, row)) == [(2, "id 'x' is there twice, first on line 1")]


@pytest.mark.parametrize(
    ("text", "line", "fault"),
    [
        ("prompt,answr\nq,a\n", 1, "unknown column 'answr'. Did you mean 'answer'?"),
        ("prompt;answer\n", 1, "separated by semicolons"),
        ("prompt,answer\nq,a,b\n", 2, "3 cells, the header has 2; a comma in a text needs quotes"),
        ("prompt,answer\nq\n", 2, "1 cells, the header has 2"),
        ('prompt,answer\nq,a\n"open,b\nq,c\n', 3, "quotes that do not match"),
        ("prompt,A,C,answer\nq,a,b,A\n", 1, "A, B, C, ... without a gap"),
        ("prompt,prompt\n", 1, "is there twice"),
        ("", 0, "no items"),
    ],
)
def test_faults_of_csv(tmp_path: Path, text: str, line: int, fault: str) -> None:
    first = faults(csv_file(tmp_path, text))[0]
    assert first[0] == line
    assert fault in first[1]


def test_utf16_and_unknown_endings_are_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes("prompt,answer\n".encode("utf-16"))
    assert faults(path) == [(0, "it is UTF-16; save it as UTF-8")]
    with pytest.raises(InputError, match=r"ends in \.jsonl or \.csv"):
        check_task_file(tmp_path / "mine.xlsx")
    with pytest.raises(InputError, match=r"Did you mean 'mine\.csv'"):
        check_task_file(tmp_path / "mime.csv")


def test_a_group_is_text_or_a_number(tmp_path: Path) -> None:
    path = jsonl(tmp_path, *({"prompt": "a", "answer": "b", "group": g} for g in ("sea ", 3)))
    assert [item.group for item in read_task_file(path).items] == ["sea", "3"]
    wrong = jsonl(tmp_path, {"prompt": "a", "answer": "b", "group": ["sea"]})
    assert faults(wrong) == [(1, "group: expected text, got ['sea']")]
