"""How written answers are scored: tables of what counts and what does not."""

from __future__ import annotations

import time

import pytest

from grid.cells.items import Item
from grid.cells.scoring import INVALID_JSON, VALID_JSON, last_number, score_response

COLOURS = ("red", "green", "dark green", "blue")


def score(scoring: str, response: str, *answers: str, **fields: object) -> float:
    item = {"choices": (), "answer": 0, "max_tokens": 9, "scoring": scoring, **fields}
    return score_response(
        Item(id="1", kind="generate", context="?", answers=answers, **item),  # type: ignore[arg-type]
        response,
    ).score


@pytest.mark.parametrize(
    ("response", "answers", "right"),
    [
        ("Paris", ["Paris"], True),
        ("  Paris\n", ["Paris"], True),
        ("paris", ["Paris"], False),
        ("Paris.", ["Paris"], False),
        ("Lutetia", ["Paris", "Lutetia"], True),
        ("caf\u0065\u0301", ["caf\u00e9"], True),
        ("", ["Paris"], False),
    ],
)
def test_exact(response: str, answers: list[str], right: bool) -> None:
    assert score("exact", response, *answers) == right


@pytest.mark.parametrize(
    ("response", "answer", "right"),
    [
        ("It is PARIS, of course.", "Paris", True),
        ("14 apples", "4", False),
        ("4 apples", "4", True),
        ("I know", "no", False),
        ("No.", "no", True),
        ("know no more", "no", True),
        ("\u6771\u4eac\u306b\u3042\u308b", "\u6771\u4eac", True),
        ("C++ is older", "C++", True),
        ("anything", "", False),
    ],
)
def test_contains(response: str, answer: str, right: bool) -> None:
    assert score("contains", response, answer) == right


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("The answer is 42.", 42),
        ("3 + 4 = 7", 7),
        ("#### 1,234,567.5", 1234567.5),
        ("-$5.25", -5.25),
        ("\u22123", -3),
        ("\u20ac 12", 12),
        ("from 3-5", 5),
        ("1.5e3 m", 1500),
        ("50%", 50),
        ("a length of .5", 0.5),
        ("version 1.2.3", 1.2),
        ("1,234,56", 56),
        ("1, 2, 3", 3),
        ("1,2,3", 3),
        ("5 litres of H2O", 5),
        ("x2", 2),
        ("in 2024, 7.", 7),
        ("\u0663", 3),
        ("none at all", None),
        ("\u00b2", None),
        ("", None),
    ],
)
def test_last_number(text: str, value: float | None) -> None:
    assert last_number(text) == value


@pytest.mark.parametrize(
    ("response", "answer", "right"),
    [
        ("It comes to $1,000.00 a year", "1000", True),
        ("1000000.5", "1000000", True),
        ("1000002", "1000000", False),
        ("0", "0.0", True),
        ("9" * 10_000, "9" * 10_000, False),  # beyond what a float holds: not known to be equal
        ("nothing", "0", False),
    ],
)
def test_number_is_equal_within_a_millionth(response: str, answer: str, right: bool) -> None:
    assert score("number", response, answer) == right


@pytest.mark.parametrize(
    ("response", "chosen"),
    [
        ("B", 1),
        ("(b)", 1),
        ("**B**", 1),
        ("B. green", 1),
        ("(D) because the sky is blue", 3),
        ("The answer is (B).", 1),
        ("The answer is A, no wait. The answer is **B**", 1),
        ("Answer: $\\boxed{D}$", 3),
        ("The correct answer is: blue", 3),
        ("A dog would say green", 1),
        ("I think it is dark green.", 2),
        ("It is green or blue", -1),
        ("E", -1),
        ("Neither (A) nor (B)", -1),
        ("Surely (D)", 3),
        ("The answer is A dog's colour, which is red", 0),
        ("", -1),
    ],
)
def test_choice_is_read_by_letter_or_text(response: str, chosen: int) -> None:
    item = Item(id="1", kind="generate", context="?", choices=COLOURS, answer=1, scoring="choice")
    verdict = score_response(item, response)
    assert (verdict.chosen, verdict.score) == (chosen, float(chosen == 1))


@pytest.mark.parametrize(
    ("response", "answers", "right", "note"),
    [
        ('{"a": [1, 2]}', [], True, VALID_JSON),
        ('```json\n{"a": 1}\n```', [], True, VALID_JSON),
        ('Here it is: {"a": 1}', [], False, INVALID_JSON),
        ('{"a": 1', [], False, INVALID_JSON),
        ("NaN", [], False, INVALID_JSON),
        ("", [], False, INVALID_JSON),
        ("[" * 100_000, [], False, INVALID_JSON),
        ("9" * 10_000, [], True, VALID_JSON),
        ('{"b": 2, "a": 1}', ['{"a": 1, "b": 2}'], True, VALID_JSON),
        ('{"a": 2}', ['{"a": 1}'], False, VALID_JSON),
    ],
)
def test_json(response: str, answers: list[str], right: bool, note: str) -> None:
    item = Item(
        id="1", kind="generate", context="?", choices=(), answer=0, scoring="json",
        answers=tuple(answers),
    )  # fmt: skip
    verdict = score_response(item, response)
    assert (verdict.score, verdict.note) == (float(right), note)


@pytest.mark.parametrize(
    ("pattern", "response", "right"),
    [
        (r"\b\d{4}\b", "in 1984.", True),
        (r"^yes", "well, yes", False),
        (r"(?i)^YES", "yes", True),
    ],
)
def test_regex(pattern: str, response: str, right: bool) -> None:
    assert score("regex", response, pattern=pattern) == right


def test_a_pattern_that_takes_years_is_given_up() -> None:
    start = time.monotonic()
    item = Item(
        id="1", kind="generate", context="?", choices=(), answer=0, scoring="regex",
        pattern=r"(a+)+$",
    )  # fmt: skip
    verdict = score_response(item, "a" * 60 + "!")
    assert verdict.score == 0.0
    assert "given up" in verdict.note
    assert time.monotonic() - start < 30


@pytest.mark.parametrize("scoring", ["exact", "contains", "number", "choice", "json"])
@pytest.mark.parametrize("unit", ["1,", "(A) ", "answer is ", "{", "\u0663", "- ", "9"])
def test_huge_answers_are_scored_in_little_time(scoring: str, unit: str) -> None:
    item = Item(
        id="1", kind="generate", context="?", choices=COLOURS, answer=0, answers=("red",),
        scoring=scoring,  # type: ignore[arg-type]
    )  # fmt: skip
    start = time.process_time()
    score_response(item, unit * 200_000)
    assert time.process_time() - start < 10


def test_harness_and_code_items_are_scored_elsewhere() -> None:
    assert score("harness", "42", "42") == 0.0
    assert score("code", "return 1") == 0.0
