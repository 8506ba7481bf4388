"""The committed held-out text and items: reproducible, disjoint from training, well-formed."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest
from train_bundled.corpus import HELDOUT_MIX, make_heldout_text, training_pages
from train_bundled.heldout import assert_disjoint, heldout_units, item_lines
from train_bundled.words import HELD_OUT_ONE_IN, is_held_out
from train_bundled.world import ATTRIBUTES, FACTS

from grid.models import bundled

FOLDER = bundled.size_dir("small").parent


def test_heldout_text_is_what_the_generator_makes() -> None:
    assert (FOLDER / "heldout.txt").read_bytes() == make_heldout_text().encode()


@pytest.mark.parametrize("task_class", bundled.TASK_CLASSES)
def test_items_are_what_the_generator_makes(task_class: str) -> None:
    committed = (FOLDER / "items" / f"{task_class}.jsonl").read_bytes()
    assert committed == item_lines(task_class).encode()


def test_heldout_text_is_long_enough_for_sixteen_thousand_tokens() -> None:
    assert len(bundled.heldout_text().encode()) >= 60_000


def test_heldout_text_holds_every_kind_of_natural_text() -> None:
    text = bundled.heldout_text()
    assert [kind for kind, _ in HELDOUT_MIX] == ["prose", "facts", "math"]
    assert all(sign in text for sign in (" that ", " lives in ", " + "))


def test_training_pages_are_the_same_for_the_same_seed() -> None:
    assert list(islice(training_pages(5), 50)) == list(islice(training_pages(5), 50))
    assert list(islice(training_pages(5), 5)) != list(islice(training_pages(6), 5))


def test_training_never_contains_a_held_out_unit() -> None:
    units = heldout_units()
    for page in islice(training_pages(9), 10_000):
        assert_disjoint(page, units)


@pytest.mark.parametrize("task_class", ["recall", "language"])
def test_a_training_page_with_a_held_out_item_is_refused(task_class: str) -> None:
    item = bundled.items(task_class)[0]
    sentence = item.context + item.choices[item.answer]
    page = f"The dogs sleep. {sentence if sentence.endswith('.') else sentence + '.'}"
    with pytest.raises(AssertionError, match="held-out"):
        assert_disjoint(page, heldout_units())


def test_a_training_page_with_a_held_out_sum_in_either_order_is_refused() -> None:
    plus = next(i for i in bundled.items("math") if i.context.count("+") == 1)
    first, second = plus.context.removesuffix(" =").split(" + ")
    for left, right in ((first, second), (second, first)):
        with pytest.raises(AssertionError, match="held-out"):
            assert_disjoint(f"1 + 1 = 2\n{left} + {right} = 0", heldout_units())


@pytest.mark.parametrize("task_class", ["context", "reasoning"])
def test_a_training_page_with_held_out_premises_is_refused(task_class: str) -> None:
    item = bundled.items(task_class)[0]
    with pytest.raises(AssertionError, match="held-out"):
        assert_disjoint(item.context + item.choices[item.answer] + ".", heldout_units())


def test_the_split_holds_out_about_one_unit_in_twelve() -> None:
    share = sum(is_held_out(f"unit {n}") for n in range(12_000)) / 12_000
    assert share == pytest.approx(1 / HELD_OUT_ONE_IN, rel=0.15)


@pytest.mark.parametrize("task_class", bundled.TASK_CLASSES)
def test_bundled_items_are_well_formed(task_class: str) -> None:
    items = bundled.items(task_class)
    assert 200 <= len(items) <= 300
    assert len({item.id for item in items}) == len(items)
    assert len({(item.context, item.choices) for item in items}) == len(items)
    for item in items:
        assert item.context == item.context.strip()
        assert all(choice.startswith(" ") and choice[1:].strip() for choice in item.choices)
        assert len(set(item.choices)) == len(item.choices)
        assert 0 <= item.answer < len(item.choices)
        assert (item.kind == "exact") == (len(item.choices) == 1)


@pytest.mark.parametrize("task_class", ["recall", "context", "language"])
def test_the_right_answer_stands_in_every_place_equally_often(task_class: str) -> None:
    chosen = [item for item in bundled.items(task_class) if item.kind == "choice"]
    places = Counter(item.answer for item in chosen)
    expected = len(chosen) / len(chosen[0].choices)
    assert len(places) == len(chosen[0].choices)
    assert all(abs(count - expected) < 4 * expected**0.5 for count in places.values())


def test_chance_is_one_in_the_number_of_choices_and_zero_for_exact() -> None:
    assert {item.chance for item in bundled.items("recall")} == {1 / 12}
    assert {item.chance for item in bundled.items("language")} == {0.5}
    assert {item.chance for item in bundled.items("math")} == {0.0}
    assert {item.chance for item in bundled.items("reasoning")} == {0.0}
    assert {item.chance for item in bundled.items("context")} == {0.0, 0.25}


def test_math_items_hold_the_right_sum() -> None:
    for item in bundled.items("math"):
        expression = item.context.removesuffix(" =")
        if "*" in expression:
            left, right = expression.split(" * ")
            value = int(left) * int(right)
        else:
            value = sum(map(int, expression.replace("- ", "+ -").split(" + ")))
        assert item.choices[0] == f" {value}"


def test_recall_items_ask_for_facts_of_the_world() -> None:
    for item in bundled.items("recall"):
        who = next(word for word in item.context.split() if word in FACTS)
        kind = next(
            n
            for n, attribute in enumerate(ATTRIBUTES)
            if item.context in {phrase.format(who) for phrase in attribute.phrasings}
        )
        assert item.choices[item.answer] == f" {FACTS[who][kind]}"


def test_every_fact_asked_for_can_be_learned_from_another_phrasing() -> None:
    for who, values in FACTS.items():
        for attribute, value in zip(ATTRIBUTES, values, strict=True):
            phrasings = [f"{phrase.format(who)} {value}." for phrase in attribute.phrasings]
            assert not all(is_held_out(sentence) for sentence in phrasings)


def test_unknown_task_classes_and_sizes_suggest_the_nearest() -> None:
    with pytest.raises(ValueError, match="Did you mean 'recall'"):
        bundled.items("recal")
    with pytest.raises(ValueError, match="Did you mean 'small'"):
        bundled.size_dir("smal")
