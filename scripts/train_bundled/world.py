"""Facts of an invented world: who lives where, works as what, eats, keeps, plays and wears what.

Every fact can be said in several ways that all end on its value. A held-out hash of the sentence
keeps some ways of saying a fact out of the training corpus, never the fact itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from train_bundled.words import (
    between,
    is_held_out,
    person_names,
    pick,
    pick_early,
    sample,
    split_words,
)

PEOPLE = person_names(1500)
"""Earlier people are spoken of more often, so facts are of graded difficulty."""

_TOWNS = split_words(
    "Velm Arkos Tilby Ostra Quend Marn Polis Harl Drovo Sintra Yeld Brix Canto Evora Fyrd Galt "
    "Hobart Istra Jura Kelso Lund Nice Oban Perth"
)
_JOBS = split_words(
    "smith baker weaver miller tailor fisher potter mason carpenter cook clerk doctor singer guard "
    "pilot painter"
)
_FOODS = split_words("rice beans plums cheese bread soup fish eggs nuts pears figs honey cake corn")
_PETS = split_words("cat dog goat parrot rabbit snake horse duck lizard crow turtle frog hen pony")
_COLOURS = split_words("red blue green yellow black white brown purple orange grey pink golden")
_PLAYS = split_words("flute drum harp fiddle lute horn piano organ banjo cello pipe gong")


@dataclass(frozen=True, slots=True)
class Attribute:
    """What can be known of a person: the possible values, and phrasings that the value ends."""

    values: tuple[str, ...]
    phrasings: tuple[str, ...]


ATTRIBUTES = (
    Attribute(
        tuple(_TOWNS),
        (
            "{} lives in",
            "The home of {} is in",
            "{} has a house in",
            "You can visit {} in",
            "Letters to {} go to",
        ),
    ),
    Attribute(
        tuple(_JOBS),
        (
            "{} works as a",
            "The trade of {} is that of a",
            "{} earns money as a",
            "By day {} is a",
            "People know {} as a",
        ),
    ),
    Attribute(
        tuple(_FOODS),
        (
            "{} likes to eat",
            "The favourite food of {} is",
            "{} always asks for",
            "For dinner {} wants",
            "Nothing pleases {} more than",
        ),
    ),
    Attribute(
        tuple(_PETS),
        (
            "{} keeps a",
            "The pet of {} is a",
            "{} goes for walks with a",
            "At home {} has a",
            "The best friend of {} is a",
        ),
    ),
    Attribute(
        tuple(_COLOURS),
        (
            "{} wears a coat of",
            "The coat of {} is",
            "{} dresses in",
            "The door of {} is painted",
            "The best colour for {} is",
        ),
    ),
    Attribute(
        tuple(_PLAYS),
        (
            "{} plays the",
            "The instrument of {} is the",
            "{} makes music on the",
            "On Sundays {} practises the",
            "You may hear {} on the",
        ),
    ),
)


def _facts() -> dict[str, tuple[str, ...]]:
    rng = Random(11)
    return {person: tuple(pick(rng, a.values) for a in ATTRIBUTES) for person in PEOPLE}


FACTS = _facts()
"""Person -> one value for each of `ATTRIBUTES`."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A fact said in one way: `context`, the `phrasing` of a person, and the value that ends it."""

    context: str
    value: str
    attribute: Attribute
    phrasing: str

    @property
    def sentence(self) -> str:
        """The whole sentence."""
        return f"{self.context} {self.value}."

    @property
    def held_out(self) -> bool:
        """Which side of the split this sentence is on."""
        return is_held_out(self.sentence)


def statement(rng: Random, person: str, attribute: int) -> Statement:
    """One way to say what `attribute` of `person` is."""
    kind = ATTRIBUTES[attribute]
    phrasing = pick(rng, kind.phrasings)
    return Statement(phrasing.format(person), FACTS[person][attribute], kind, phrasing)


def person(rng: Random) -> str:
    """A person, the earlier ones of `PEOPLE` more often."""
    return pick_early(rng, PEOPLE, 1.5)


def biography(rng: Random, side: bool) -> str:
    """Three to six facts about one person, on the wanted side of the split (True: held out)."""
    who = person(rng)
    parts = []
    for attribute in sample(rng, range(len(ATTRIBUTES)), between(rng, 3, 6)):
        fact = statement(rng, who, attribute)
        if fact.held_out == side:
            parts.append(fact.sentence)
    return " ".join(parts)
