"""What the written answers of an attempt say besides their score."""

from __future__ import annotations

import pytest

from grid.cells.measurement import ItemResult
from grid.cells.scoring import INVALID_JSON, VALID_JSON
from grid.results.statistics.repetition import ends_in_repetition
from grid.results.written_answers import answer_intervals

LOOP = "And so on. " * 20


@pytest.mark.parametrize(
    ("text", "repeated"),
    [
        (LOOP, True),
        ("Once upon a time. " + LOOP + "And so", True),
        ("!" * 48, True),
        ("!" * 47, False),
        ("\n\n" * 100, True),
        ("x" * 400 + "y", False),
        (LOOP + "The end.", False),
        ("abc " * 12, True),
        ("abcdefghijklmnopqrstuvw" * 2, False),
        ("".join(f"{n}. item\n" for n in range(100)), False),
        ("long sentence " * 30 + "!" * 5, False),
        (("word " * 79 + "\n") * 3, True),
        ("", False),
    ],
)
def test_repetition_is_of_one_unit_up_to_the_end(text: str, repeated: bool) -> None:
    assert ends_in_repetition(text) == repeated


def written(response: str, finish: str, tokens: int = 10, note: str = "") -> ItemResult:
    return ItemResult(
        task_class="math", item=response[:8], score=0.0, chance=0.0, chosen=-1, answer=0,
        log_likelihoods=(), response=response, tokens=tokens, finish=finish, note=note,
    )  # fmt: skip


def test_tokens_and_repetition_are_over_written_answers() -> None:
    items = [
        written("yes", "stop", 2),
        written(LOOP, "length", 100),
        written(LOOP, "stop", 90),  # ended by itself
        written("", "unanswered", 0),
        written("", "", 0),  # a choice
    ]
    intervals = answer_intervals(items)
    assert set(intervals) == {"tokens_per_answer", "repetition_share"}
    assert intervals["tokens_per_answer"].value == 64
    assert intervals["tokens_per_answer"].n == 3
    assert intervals["repetition_share"].value == pytest.approx(1 / 3)


def test_invalid_json_is_of_those_answers_where_json_was_asked() -> None:
    items = [
        written("{", "stop", note=INVALID_JSON),
        written("{}", "stop", note=VALID_JSON),
        written("[]", "stop", note=VALID_JSON),
        written("{", "stop"),
    ]
    share = answer_intervals(items)["invalid_json_share"]
    assert (share.value, share.n) == (pytest.approx(1 / 3), 3)


def test_choices_alone_have_none() -> None:
    assert answer_intervals([written("", "", 0)]) == {}
