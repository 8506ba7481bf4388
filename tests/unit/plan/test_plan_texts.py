"""Texts and items come from the bundled family or from files; bad ones are refused in one line."""

from __future__ import annotations

import dataclasses
from hashlib import sha256
from pathlib import Path

import pytest

from grid.cells.texts import read_items, read_text, task_classes
from grid.errors import InputError
from grid.models import bundled

GOOD = '{"id": "1", "kind": "choice", "context": "a", "choices": ["b", "c"], "answer": 1}\n'


def test_the_held_out_text_is_read_by_name() -> None:
    text = read_text("ref:heldout")
    assert text.text == bundled.heldout_text()
    assert text.sha256 == sha256(text.text.encode()).hexdigest()


def test_a_text_is_found_from_the_base_and_named_by_its_absolute_path(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("hello")
    text = read_text("t.txt", tmp_path)
    assert (text.source, text.text) == (str((tmp_path / "t.txt").resolve()), "hello")


def test_line_ends_of_a_text_are_kept(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes(b"a\r\nb\n")
    assert read_text("t.txt", tmp_path).text == "a\r\nb\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        (b" \n", "is empty"),
        (b"ok \xff", r"not UTF-8 \(byte 3\)"),
    ],
)
def test_a_bad_text_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "t.txt").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_text("t.txt", tmp_path)


def test_an_unknown_bundled_text_names_the_known_one() -> None:
    with pytest.raises(InputError, match="Did you mean 'ref:heldout'"):
        read_text("ref:held-out")


def test_the_bundled_items_have_all_classes() -> None:
    assert task_classes("ref:items") == bundled.TASK_CLASSES
    items = read_items("ref:items", "math")
    rows = [
        (item.id, item.kind, item.context, item.choices, item.answer, item.group)
        for item in items.items
    ]
    assert rows == [dataclasses.astuple(item) for item in bundled.items("math")]


def test_items_of_a_folder_hash_by_what_they_say(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text(GOOD)
    first = read_items(str(tmp_path), "mine")
    (tmp_path / "mine.jsonl").write_text("\n" + GOOD.replace(": ", ":"))
    assert task_classes(str(tmp_path)) == ("mine",)
    assert first.items[0].choices == ("b", "c")
    assert first.items[0].chance == 0.5
    assert read_items(".", "mine", tmp_path).sha256 == first.sha256


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: Input data was truncated"),
        ("{}", "line 2: .* missing required field"),
        (GOOD, "line 2: item '1': a second item with this id"),
        (GOOD.replace('"1"', '"2"').replace("choice", "chose", 1), "Did you mean 'choice'"),
        (GOOD.replace('"1"', '"2"').replace("choice", "exact", 1), "takes one choice, got 2"),
        (GOOD.replace('"1"', '"2"').replace('"b", ', ""), "at least two choices, got 1"),
        (GOOD.replace('"1"', '"2"').replace(": 1}", ": 2}"), "answer 2 is no index of its 2"),
        (GOOD.replace('"1"', '"2"').replace(": 1}", ": -1}"), "answer -1 is no index"),
        (GOOD.replace('"1"', '"2"').replace('"a"', '""'), "must not be empty"),
    ],
)
def test_a_bad_item_is_refused_with_its_line(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "mine.jsonl").write_text(GOOD + line)
    with pytest.raises(InputError, match=message):
        read_items(str(tmp_path), "mine")


def test_a_file_without_items_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text("\n\n")
    with pytest.raises(InputError, match="no items"):
        read_items(str(tmp_path), "mine")


@pytest.mark.parametrize(
    ("source", "message"),
    [("nowhere", "not a folder"), (".", "holds no"), ("ref:item", "Did you mean 'ref:items'")],
)
def test_bad_sources_of_items_are_refused(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        task_classes(source, tmp_path)


def test_an_unknown_class_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"unknown task class 'maths'. Did you mean 'math'"):
        read_items("ref:items", "maths")


def test_groups_of_bundled_items_leave_their_hash_and_so_cell_ids_as_before() -> None:
    recall = read_items("ref:items", "recall")
    assert len({item.group for item in recall.items}) == 30
    assert recall.sha256.startswith("6b5adff8ce41a4a7")
    retrieval = read_items("ref:retrieval", "retrieval")
    assert retrieval.items[0].group == "tea-green"
