"""Arithmetic, look-up in the prompt, copying, and two-step chains.

A puzzle is given premises (one line, the unit of the held-out split) and questions about them.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from train_bundled.words import (
    LETTERS,
    NAMES,
    OBJECTS,
    PLACES,
    between,
    is_held_out,
    pick,
    sample,
)


@dataclass(frozen=True, slots=True)
class Sum:
    """An equation: `context` up to the equals sign, the `answer` as digits."""

    context: str
    answer: str
    unit: str


def equation(rng: Random) -> Sum:
    """Mostly one- and two-digit sums and differences, some products and sums of three numbers."""
    kind = rng.random()
    if kind < 0.15:
        a, b = between(rng, 2, 9), between(rng, 10, 99)
        return Sum(f"{a} * {b} =", str(a * b), f"{a}*{b}")
    if kind < 0.25:
        a, b, c = (between(rng, 1, 40) for _ in range(3))
        return Sum(f"{a} + {b} + {c} =", str(a + b + c), f"{a}+{b}+{c}")
    top = 999 if kind < 0.4 else 99
    a, b = between(rng, 1, top), between(rng, 1, 99)
    if rng.random() < 0.6:
        return Sum(f"{a} + {b} =", str(a + b), f"{min(a, b)}+{max(a, b)}")
    a, b = max(a, b), min(a, b)
    return Sum(f"{a} - {b} =", str(a - b), f"{a}-{b}")


def equations(rng: Random, side: bool) -> str:
    """Six to sixteen equations, one a line, on the wanted side of the split."""
    lines: list[str] = []
    count = between(rng, 6, 16)
    while len(lines) < count:
        problem = equation(rng)
        if is_held_out(problem.unit) == side:
            lines.append(f"{problem.context} {problem.answer}")
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Question:
    """Asked after the premises: `context`, the possible answers, the index of the right one."""

    context: str
    choices: tuple[str, ...]
    answer: int


@dataclass(frozen=True, slots=True)
class Puzzle:
    """`premises` on one line; `questions` may be asked in any order."""

    premises: str
    questions: tuple[Question, ...]

    def prompt(self, question: Question) -> str:
        """What comes before the answer when `question` is asked first."""
        return f"{self.premises}\nSo:{question.context}"

    def text(self) -> str:
        """Premises and answered questions, as training sees them."""
        answered = [f"{q.context}{q.choices[q.answer]}." for q in self.questions]
        return f"{self.premises}\nSo:{''.join(answered)}"


def _ask(rng: Random, contexts: list[str], values: list[str]) -> tuple[Question, ...]:
    """One question a context; every value is a possible answer to each."""
    choices = tuple(f" {value}" for value in values)
    order = sample(rng, range(len(contexts)), len(contexts))
    return tuple(Question(contexts[i], choices, i) for i in order)


def lookup(rng: Random, count: int, form: str | None = None) -> Puzzle:
    """`count` people each have a thing: asked as a bare `list`, `forward` or in `reverse`."""
    who, what = sample(rng, NAMES, count), sample(rng, OBJECTS, count)
    pairs = list(zip(who, what, strict=True))
    if form is None:
        draw = rng.random()
        form = "list" if draw < 0.3 else "forward" if draw < 0.7 else "reverse"
    if form == "list":
        premises = "List: " + " ".join(f"{a} {b}." for a, b in pairs)
        return Puzzle(premises, _ask(rng, [f" {a}" for a in who], what))
    premises = " ".join(f"{a} has the {b}." for a, b in pairs)
    if form == "forward":
        return Puzzle(premises, _ask(rng, [f" {a} has the" for a in who], what))
    return Puzzle(premises, _ask(rng, [f" The {b} is with" for b in what], who))


def copying(rng: Random, count: int, letters: bool) -> Puzzle:
    """`count` symbols to be written again: different words, or letters with many repeats (hard)."""
    if letters:
        alphabet = sample(rng, LETTERS, between(rng, 3, 8))
        symbols = [pick(rng, alphabet) for _ in range(count)]
    else:
        symbols = sample(rng, NAMES + OBJECTS + PLACES + LETTERS, count)
    text = " ".join(symbols)
    return Puzzle(f"Copy: {text}.", (Question("", (f" {text}",), 0),))


def chain(rng: Random, count: int, spelled: bool) -> Puzzle:
    """`count` people each guard a place, each place has a thing: what can each person use?

    `spelled`: the answer names the place first, so that it is found one step at a time.
    """
    who, where = sample(rng, NAMES, count), sample(rng, PLACES, count)
    what = sample(rng, OBJECTS, count)
    first = [f"{a} guards the {b}." for a, b in zip(who, where, strict=True)]
    second = [f"The {b} has a {c}." for b, c in zip(where, what, strict=True)]
    statements = sample(rng, first + second, 2 * count)
    premises = " ".join(statements)
    if spelled:
        values = [f"{b} and uses the {c}" for b, c in zip(where, what, strict=True)]
        return Puzzle(premises, _ask(rng, [f" {a} guards the" for a in who], values))
    return Puzzle(premises, _ask(rng, [f" {a} uses the" for a in who], what))


def context_puzzle(rng: Random) -> Puzzle:
    """Look-up among 2 to 14 pairs, or a copy of 4 to 24 symbols."""
    kind = rng.random()
    if kind < 0.4:
        return copying(rng, between(rng, 4, 24), kind < 0.1)
    return lookup(rng, between(rng, 2, 14))


def chain_puzzle(rng: Random) -> Puzzle:
    """A chain over 2 to 5 people, one in three spelled out."""
    return chain(rng, between(rng, 2, 5), rng.random() < 0.35)


def hard_puzzle(rng: Random) -> Puzzle:
    """What the smallest size does not learn: two steps at once, reverse look-up, repeats."""
    kind = rng.random()
    if kind < 0.55:
        return chain(rng, between(rng, 2, 5), False)
    if kind < 0.8:
        return lookup(rng, between(rng, 2, 12), "reverse")
    return copying(rng, between(rng, 6, 24), True)


_MAKERS = {"context": context_puzzle, "reasoning": chain_puzzle, "hard": hard_puzzle}


def on_side(rng: Random, side: bool, kind: str) -> Puzzle:
    """A puzzle (`kind`: context, reasoning or hard) on the wanted side of the split."""
    while True:
        puzzle = _MAKERS[kind](rng)
        if is_held_out(puzzle.premises) == side:
            return puzzle
