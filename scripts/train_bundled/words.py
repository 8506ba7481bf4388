"""Word lists of the invented world, and the few random draws that every generator shares.

Draws use `Random.random()` alone: its sequence for a seed is guaranteed across Python versions,
that of `choice` or `shuffle` is not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")

HELD_OUT_ONE_IN = 12
"""One unit (sentence, sum, premise line) in this many never appears in the training corpus."""


def split_words(text: str, separator: str | None = None) -> list[str]:
    """The words of a list written as one text, apart at white space or at `separator`."""
    return text.split(separator)


NAMES = split_words(
    "Ana Ben Cleo Dan Eva Finn Gus Hana Ivo June Kai Lena Max Nora Otto Pia Rex Sara Tom Uma "
    "Vera Will Yara Zoe Abel Bea Carl Dora Erik Faye Gina Hugo Iris Jack Kim Leo Mona Nils"
)
OBJECTS = split_words(
    "lamp drum rope coin book key bell cup knife ring map hat flute stone candle basket brush "
    "mirror hammer kite ladder needle pot saw spoon whistle wheel bottle button chain clock comb "
    "feather glove horn jar mask nail pen stick"
)
PLACES = split_words(
    "mill barn tower bakery harbour garden cellar chapel market castle forge stable school inn "
    "library bridge quarry orchard temple kitchen attic workshop palace camp cave fort"
)
LETTERS = split_words("a b c d e f g h i j k l m n o p q r s t u v w x y z")

_FIRST = split_words(
    "Tor Mel Vas Kir Bran Dul Fen Gal Hol Jas Lor Mir Nav Ost Per Quil Ras Sel Tam Ulv "
    "Wen Yor Zan Bel Cor Dra Eld Fal Gor Hes Ing Kal Lun Mor Ned Pol Rud Sor Tyr Vel"
)
_LAST = split_words(
    "van dric mira nok lin sha bert gan rith wen dal mon tis rek var sol nia dor fin gus "
    "lak mund nel pas ric sten tov ula wick zer bin cas den fol gar hild jon kas lem mar"
)


def pick(rng: Random, options: Sequence[T]) -> T:
    """One of `options`, each as likely as the next."""
    return options[int(rng.random() * len(options))]


def pick_early(rng: Random, options: Sequence[T], power: float = 2.0) -> T:
    """One of `options`, the earlier ones more often: position is n * u**power."""
    return options[int(len(options) * rng.random() ** power)]


def between(rng: Random, low: int, high: int) -> int:
    """An integer from `low` to `high`, both included."""
    return low + int(rng.random() * (high - low + 1))


def sample(rng: Random, options: Sequence[T], count: int) -> list[T]:
    """`count` different ones of `options`, in random order (Fisher-Yates)."""
    pool = list(options)
    for position in range(count):
        swapped = between(rng, position, len(pool) - 1)
        pool[position], pool[swapped] = pool[swapped], pool[position]
    return pool[:count]


def is_held_out(unit: str) -> bool:
    """Whether this unit of text belongs to the held-out side of the split: a hash decides."""
    digest = hashlib.blake2b(unit.encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") % HELD_OUT_ONE_IN == 0


def person_names(count: int) -> list[str]:
    """`count` different invented two-syllable names."""
    return sample(Random(7), [a + b for a in _FIRST for b in _LAST], count)
