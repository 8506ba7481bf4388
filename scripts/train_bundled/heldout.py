"""Held-out test items for each task class, and the assertion that training never saw them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

from grid.models.bundled import FOLDER, TASK_CLASSES, BundledItem
from train_bundled.corpus import make_calibration_text, make_heldout_text
from train_bundled.language import nested_pair, pair
from train_bundled.puzzles import Puzzle, chain, copying, equation, lookup
from train_bundled.words import between, is_held_out, pick, sample
from train_bundled.world import ATTRIBUTES, PEOPLE, statement

ITEMS_PER_CLASS = 300
CHOICES = 4
RECALL_CHOICES = 12
"""So many that a fact only half remembered is not enough."""


class Draft(NamedTuple):
    """An item to be: `unit` is what training must not contain."""

    context: str
    choices: tuple[str, ...]
    answer: int
    unit: str
    group: str = ""


def _shuffled(
    rng: Random, right: str, wrong: list[str], count: int = CHOICES
) -> tuple[tuple[str, ...], int]:
    """The right answer among `count - 1` of the wrong ones."""
    choices = sample(rng, [right, *sample(rng, wrong, count - 1)], count)
    return tuple(choices), choices.index(right)


def _recall(rng: Random) -> Draft:
    fact = statement(rng, pick(rng, PEOPLE), between(rng, 0, len(ATTRIBUTES) - 1))
    wrong = [f" {value}" for value in fact.attribute.values if value != fact.value]
    choices, answer = _shuffled(rng, f" {fact.value}", wrong, RECALL_CHOICES)
    return Draft(fact.context, choices, answer, fact.sentence, fact.phrasing)


def _math(rng: Random) -> Draft:
    problem = equation(rng)
    return Draft(problem.context, (f" {problem.answer}",), 0, problem.unit)


def _language(rng: Random) -> Draft:
    two = pair(rng) if rng.random() < 0.1 else nested_pair(rng)
    choices = sample(rng, [two.good, two.bad], 2)
    return Draft(two.context, tuple(choices), choices.index(two.good), two.sentence)


def _from_puzzle(rng: Random, puzzle: Puzzle) -> Draft:
    question = puzzle.questions[0]
    context = puzzle.prompt(question)
    if len(question.choices) == 1:
        return Draft(context, question.choices, 0, puzzle.premises)
    right = question.choices[question.answer]
    wrong = [choice for choice in question.choices if choice != right]
    choices, answer = _shuffled(rng, right, wrong)
    return Draft(context, choices, answer, puzzle.premises)


def _context(rng: Random) -> Draft:
    """Look-up among more pairs than most of training has, and copies with repeats."""
    if rng.random() < 0.5:
        return _from_puzzle(rng, copying(rng, between(rng, 10, 26), letters=True))
    form = pick(rng, ("list", "forward"))
    return _from_puzzle(rng, lookup(rng, between(rng, 20, 38), form))


def _reasoning(rng: Random) -> Draft:
    """Both steps of a chain, written out, among more people than in training."""
    puzzle = chain(rng, between(rng, 6, 10), spelled=True)
    question = puzzle.questions[0]
    answer = (question.choices[question.answer],)
    return Draft(puzzle.prompt(question), answer, 0, puzzle.premises)


_MAKERS: dict[str, Callable[[Random], Draft]] = {
    "recall": _recall,
    "reasoning": _reasoning,
    "math": _math,
    "context": _context,
    "language": _language,
}


def _drafts(task_class: str) -> list[Draft]:
    """`ITEMS_PER_CLASS` different drafts whose unit is on the held-out side of the split."""
    rng = Random(1000 + TASK_CLASSES.index(task_class))
    drafts: dict[str, Draft] = {}
    while len(drafts) < ITEMS_PER_CLASS:
        draft = _MAKERS[task_class](rng)
        if is_held_out(draft.unit):
            drafts.setdefault(draft.unit, draft)
    return list(drafts.values())


def make_items(task_class: str) -> list[BundledItem]:
    """The items of one class, always the same."""
    return [
        BundledItem(
            id=f"{task_class}-{number:03d}",
            kind="exact" if len(draft.choices) == 1 else "choice",
            context=draft.context,
            choices=draft.choices,
            answer=draft.answer,
            group=draft.group,
        )
        for number, draft in enumerate(_drafts(task_class))
    ]


def item_lines(task_class: str) -> str:
    """The items of one class as JSON lines."""
    rows = (
        {
            "id": item.id,
            "kind": item.kind,
            "context": item.context,
            "choices": list(item.choices),
            "answer": item.answer,
            **({"group": item.group} if item.group else {}),
        }
        for item in make_items(task_class)
    )
    return "".join(json.dumps(row) + "\n" for row in rows)


def write_heldout(folder: Path) -> None:
    """Write heldout.txt, calibration.txt and items/<class>.jsonl under `folder`."""
    (folder / "items").mkdir(parents=True, exist_ok=True)
    (folder / "calibration.txt").write_text(make_calibration_text())
    (folder / "heldout.txt").write_text(make_heldout_text())
    for task_class in TASK_CLASSES:
        (folder / "items" / f"{task_class}.jsonl").write_text(item_lines(task_class))


def text_units(text: str) -> set[str]:
    """The lines of a text, its sentences, and its sums as `a+b` with the smaller first."""
    units: set[str] = set()
    for line in text.split("\n"):
        units.add(line)
        if " = " in line:
            units.add(_sum_unit(line.split(" =")[0]))
        else:
            units.update(part.rstrip(".") + "." for part in line.split(". "))
    return units - {"", "."}


def _sum_unit(expression: str) -> str:
    numbers = expression.split(" + ")
    if len(numbers) == 2:
        return "+".join(sorted(numbers, key=int))
    return expression.replace(" ", "")


def heldout_units() -> frozenset[str]:
    """Everything that training must not contain: the items' units and the held-out sentences."""
    units = {draft.unit for task_class in TASK_CLASSES for draft in _drafts(task_class)}
    return frozenset(units | text_units(make_heldout_text()))


def assert_disjoint(page: str, heldout: frozenset[str]) -> None:
    """Raise AssertionError where a training page contains a held-out unit."""
    shared = text_units(page) & heldout
    if shared:
        raise AssertionError(f"training page contains held-out text: {sorted(shared)[0]!r}")


if __name__ == "__main__":
    write_heldout(FOLDER)
