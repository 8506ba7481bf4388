"""Documents of one passage form a group."""

from __future__ import annotations

from grid.engine.harness.passages import passage_groups

BOOLQ = [
    {"question": "is it", "passage": "The sea is salt."},
    {"question": "was it", "passage": "The moon is far."},
    {"question": "are they", "passage": "The sea is salt."},
    {"question": "do they", "passage": "Tea is a leaf."},
]


def test_documents_of_a_passage_share_its_number() -> None:
    assert passage_groups(BOOLQ) == ["passage 1", "", "passage 1", ""]


def test_tasks_without_passages_or_with_one_each_have_no_groups() -> None:
    assert passage_groups([{"question": "1 + 1"}, {"question": "1 + 2"}]) == ["", ""]
    assert passage_groups(BOOLQ[:2]) == ["", ""]
    assert passage_groups([{"passage": ["a", "list"]}] * 2) == ["", ""]
    assert passage_groups([]) == []
