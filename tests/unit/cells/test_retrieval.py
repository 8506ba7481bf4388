"""nDCG@10 by hand and by counting, and the bundled set of queries and documents."""

from __future__ import annotations

from itertools import permutations
from math import log2
from pathlib import Path
from statistics import mean

import pytest
from hypothesis import given, strategies

from grid.cells.items import Item, item_fault
from grid.cells.retrieval import expected_ndcg, ndcg
from grid.cells.texts import RETRIEVAL, RETRIEVAL_TASK, read_items
from grid.errors import InputError
from grid.models.bundled import retrieval


def test_ndcg_by_hand() -> None:
    """Grades 2 and 1 at ranks 2 and 4."""
    gained, best = 2 / log2(3) + 1 / log2(5), 2 / log2(2) + 1 / log2(3)
    assert ndcg([0, 2, 0, 1], [0, 1, 2, 3]) == pytest.approx(gained / best)


def test_the_best_order_has_one_and_rank_eleven_counts_nothing() -> None:
    assert ndcg([1, 0, 2], [2, 0, 1]) == 1.0
    assert ndcg([0] * 10 + [1], list(range(11))) == 0.0


@given(strategies.lists(strategies.integers(0, 3), min_size=2, max_size=6).filter(any))
def test_guessing_gets_the_mean_over_all_orders(grades: list[int]) -> None:
    orders = list(permutations(range(len(grades))))
    assert expected_ndcg(grades) == pytest.approx(mean(ndcg(grades, order) for order in orders))


def test_bundled_queries_name_documents_that_are_there() -> None:
    documents, queries = retrieval()
    assert len(documents) == 42
    assert len(queries) == 60
    assert {name for query in queries for name in query.relevant} == set(documents)


def test_bundled_items_are_valid() -> None:
    items = read_items(RETRIEVAL, RETRIEVAL_TASK).items
    assert [item_fault(item) for item in items if item_fault(item)] == []
    assert {len(item.choices) for item in items} == {42}
    assert all(0.05 < item.chance < 0.35 for item in items)


@pytest.mark.parametrize(
    ("relevance", "answer", "fault"),
    [
        ((1,), 0, "relevance has 1 grades for 2 documents"),
        ((0, 0), 0, "one of them above 0"),
        ((2, -1), 0, "grades of 0 or more"),
        ((1, 2), 0, "answer 0 is not its most relevant document"),
        ((1, 2), 5, "answer 5 is no index of its 2 documents"),
    ],
)
def test_a_query_that_is_wrong_says_what(
    relevance: tuple[int, ...], answer: int, fault: str
) -> None:
    item = Item("q", "retrieval", "query", ("a", "b"), answer, relevance=relevance)
    assert fault in item_fault(item)


def test_a_user_s_own_set_is_a_file_of_items(tmp_path: Path) -> None:
    line = '{"id":"1","kind":"retrieval","context":"cat","choices":["a cat","a dog"],"answer":0,'
    (tmp_path / "mine.jsonl").write_text(line + '"relevance":[1,0]}\n' + line + '"relevance":[1]}')
    with pytest.raises(InputError, match="line 2: item '1'"):
        read_items(str(tmp_path), "mine")
    (tmp_path / "mine.jsonl").write_text(line + '"relevance":[1,0]}\n')
    assert read_items(str(tmp_path), "mine").items[0].relevance == (1, 0)
