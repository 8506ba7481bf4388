"""A stranger's store: its names show and act on nothing, and its files stay as they are."""

from __future__ import annotations

import json

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from grid.models.display_names import visible
from grid.results.schema import ATTEMPTS
from grid.results.visible_rows import with_visible_text


def attempts(**texts: object) -> pa.Table:
    return pa.Table.from_pylist([{"attempt_id": "a", "cell_id": "c", **texts}], schema=ATTEMPTS)


def test_clean_rows_are_the_same_object() -> None:
    rows = attempts(model="Qwen é", options='{"a": "中"}', environment=[("cpu", "Ryzen™")])
    assert with_visible_text(rows) is rows


def test_ids_by_which_rows_are_joined_stay_exact() -> None:
    rows = with_visible_text(attempts(artifact_id="x\x1b", model="x\x1b"))
    assert rows["artifact_id"].to_pylist() == ["x\x1b"]
    assert rows["model"].to_pylist() == [r"x\x1b"]


def test_json_columns_keep_their_value() -> None:
    (options,) = with_visible_text(attempts(options='{"a": "\u202e\x9b"}'))["options"].to_pylist()
    assert options == r'{"a": "\u202e\u009b"}'
    assert json.loads(options) == {"a": "\u202e\x9b"}


def test_facts_in_maps_show() -> None:
    rows = with_visible_text(attempts(environment=[("why\x1b", "no\nline"), ("clean", "yes")]))
    assert rows["environment"].to_pylist() == [[(r"why\x1b", r"no\nline"), ("clean", "yes")]]


@given(st.lists(st.none() | st.text(max_size=8), min_size=1, max_size=6), st.integers(0, 3))
def test_any_column_and_any_slice_of_it_is_shown(texts: list[str | None], start: int) -> None:
    rows = pa.table({"model": pa.array(texts, pa.string())}).slice(start)
    shown = with_visible_text(rows)["model"].to_pylist()
    assert shown == [None if text is None else visible(text) for text in texts[start:]]
