"""Synthetic English: sentences in which one word must agree with another, and little stories.

Each agreement sentence is made as a minimal pair after the manner of BLiMP: a shared beginning,
the right remainder and a wrong one. Training sees the beginning with the right remainder.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from train_bundled.words import (
    NAMES,
    OBJECTS,
    PLACES,
    between,
    is_held_out,
    pick,
    pick_early,
    split_words,
)

_NOUNS = (
    "farmer/farmers boy/boys girl/girls king/kings queen/queens dog/dogs cat/cats teacher/teachers "
    "sailor/sailors uncle/uncles aunt/aunts child/children man/men woman/women baker/bakers "
    "hunter/hunters goose/geese mouse/mice nurse/nurses monk/monks nun/nuns goat/goats fox/foxes "
    "thief/thieves wolf/wolves witch/witches guard/guards poet/poets judge/judges clerk/clerks "
    "sheep/sheep deer/deer ox/oxen calf/calves scribe/scribes duke/dukes heir/heirs trout/trout"
)
NOUNS = tuple((word.split("/")[0], word.split("/")[1]) for word in _NOUNS.split())
_MALE = split_words("boy king uncle man monk duke")
_FEMALE = split_words("girl queen aunt woman nun witch")
_VERBS = split_words(
    "sleep run sing laugh wait work smile dance read cook rest shout swim hide weep"
)
_TRANSITIVE = split_words(
    "see help like know follow love call hear find fear miss thank trust teach watch carry"
)
_VERB_PREPOSITION = (
    "listen/to look/at wait/for laugh/at talk/about depend/on hope/for belong/to agree/with "
    "care/for insist/on object/to consist/of refer/to rely/on suffer/from argue/with dream/of"
)
IDIOMS = tuple(pair.split("/") for pair in _VERB_PREPOSITION.split())
_PREPOSITIONS = split_words("near behind beside with by under")
_ADJECTIVES = split_words(
    "old young tall small kind proud quiet clever tired happy brave grey rich"
)
_PAST = split_words(
    "walked to/ran to/came to/went to/looked at/thought of/found/left/forgot/painted/opened", "/"
)
_TIMES = split_words(
    "One day/In the morning/Later/After that/At night/Then/In the winter/At last/Long ago/"
    "The next day",
    "/",
)
_REASONS = split_words(
    "it was late/it was cold/the door was open/nobody was there/the rain had stopped/"
    "the moon was bright/they were hungry/it was time to go",
    "/",
)
_ENDINGS = split_words(
    "Everyone was glad./Nobody knew why./And that was all./It was a long day./"
    "All was well again./So it began./They never spoke of it again.",
    "/",
)


@dataclass(frozen=True, slots=True)
class Pair:
    """A sentence as a shared `context` and two remainders, of which `good` is grammatical."""

    context: str
    good: str
    bad: str

    @property
    def sentence(self) -> str:
        """The grammatical sentence, the only one that training may see."""
        return self.context + self.good


def _third(verb: str) -> str:
    """Third person singular of a regular verb."""
    if verb.endswith("y") and verb[-2] not in "aeo":
        return verb[:-1] + "ies"
    return verb + ("es" if verb.endswith(("s", "sh", "ch", "x", "o")) else "s")


def _conjugate(verb: str, plural: bool) -> str:
    return verb if plural else _third(verb)


def _noun_phrase(rng: Random, plural: bool) -> str:
    """`the` or a numbered determiner, perhaps an adjective, and a noun."""
    noun = pick_early(rng, NOUNS)[plural]
    invariant = noun in ("sheep", "deer", "trout")
    if invariant or rng.random() < 0.2:
        determiner = pick(rng, ("these", "those", "many") if plural else ("this", "that", "each"))
    else:
        determiner = "the"
    adjective = f"{pick(rng, _ADJECTIVES)} " if rng.random() < 0.3 else ""
    return f"{determiner} {adjective}{noun}"


def _modifier(rng: Random, plural: bool, depth: int) -> str:
    """Words between a subject and its verb, with `depth` nouns that may distract."""
    if depth == 0:
        return ""
    distractor_plural = rng.random() < (0.3 if plural else 0.7)
    kind = rng.random()
    inner = _modifier(rng, distractor_plural, depth - 1)
    if kind < 0.45:
        return f" {pick(rng, _PREPOSITIONS)} {_noun_phrase(rng, distractor_plural)}{inner}"
    verb = pick(rng, _TRANSITIVE)
    if kind < 0.75:
        return f" that {_conjugate(verb, plural)} {_noun_phrase(rng, distractor_plural)}{inner}"
    return (
        f" that {_noun_phrase(rng, distractor_plural)}{inner} {_conjugate(verb, distractor_plural)}"
    )


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _tail(rng: Random) -> str:
    return (
        f" {pick(rng, _PREPOSITIONS[:3])} the {pick(rng, PLACES)}." if rng.random() < 0.5 else "."
    )


def _agreement(rng: Random, plural: bool) -> Pair:
    depth = pick(rng, (0, 1, 1, 2, 2, 3))
    subject = _capital(_noun_phrase(rng, plural) + _modifier(rng, plural, depth))
    if rng.random() < 0.3:
        forms, tail = ("is", "are"), f" {pick(rng, _ADJECTIVES)}."
    else:
        verb = pick(rng, _VERBS)
        forms, tail = (_third(verb), verb), _tail(rng)
    return Pair(subject, f" {forms[plural]}{tail}", f" {forms[not plural]}{tail}")


def _reflexive(rng: Random, plural: bool) -> Pair:
    male = rng.random() < 0.5
    singular = pick(rng, _MALE if male else _FEMALE)
    noun = next(pair for pair in NOUNS if pair[0] == singular)[plural]
    verb = _conjugate(pick(rng, _TRANSITIVE), plural)
    modifier = _modifier(rng, plural, pick(rng, (0, 1, 1, 2)))
    own, crossed = ("himself", "herself") if male else ("herself", "himself")
    wrong = crossed if rng.random() < 0.5 else "themselves"
    good, bad = ("themselves", own) if plural else (own, wrong)
    return Pair(f"The {noun}{modifier} {verb}", f" {good}.", f" {bad}.")


def _idiom(rng: Random, plural: bool) -> Pair:
    verb, preposition = pick_early(rng, IDIOMS)
    wrong = preposition
    while wrong == preposition:
        wrong = pick(rng, IDIOMS)[1]
    subject = _capital(_noun_phrase(rng, plural) + _modifier(rng, plural, pick(rng, (0, 0, 1))))
    tail = f" {_noun_phrase(rng, rng.random() < 0.5)}."
    context = f"{subject} {_conjugate(verb, plural)}"
    return Pair(context, f" {preposition}{tail}", f" {wrong}{tail}")


def _existential(rng: Random, plural: bool) -> Pair:
    noun = pick_early(rng, NOUNS)
    count = pick(rng, ("two", "three", "some", "many")) if plural else pick(rng, ("one", "a small"))
    context = f"In the {pick(rng, PLACES)} there {'are' if plural else 'is'} {count}"
    tail = f" {pick(rng, _PREPOSITIONS)} the {pick(rng, PLACES)}."
    if noun[0] == noun[1]:
        noun = NOUNS[0]
    return Pair(context, f" {noun[plural]}{tail}", f" {noun[not plural]}{tail}")


def pair(rng: Random) -> Pair:
    """A minimal pair of one of four kinds; half of them subject-verb agreement."""
    plural = rng.random() < 0.5
    kind = rng.random()
    if kind < 0.55:
        return _agreement(rng, plural)
    if kind < 0.75:
        return _reflexive(rng, plural)
    return _idiom(rng, plural) if kind < 0.9 else _existential(rng, plural)


def nested_pair(rng: Random) -> Pair:
    """Clauses inside clauses, as in `The kings that the boy that the girls see knows sleep.`

    Three subjects come first, each with a noun of the other number beside it; then their verbs,
    innermost first. One of the inner verbs is wrong: no rule about the first noun finds it.
    """
    plural = [rng.random() < 0.5 for _ in range(3)]
    subjects = []
    for number in plural:
        near = f" {pick(rng, _PREPOSITIONS)} {_noun_phrase(rng, not number)}"
        subjects.append(_noun_phrase(rng, number) + near)
    verbs = [pick(rng, _VERBS), *(pick(rng, _TRANSITIVE) for _ in plural[1:])]
    target = between(rng, 1, 2)
    right = [_conjugate(verb, number) for verb, number in zip(verbs, plural, strict=True)]
    wrong = list(right)
    wrong[target] = _conjugate(verbs[target], not plural[target])
    context = [_capital(" that ".join(subjects)), *reversed(right[target + 1 :])]
    endings = (" " + " ".join(reversed(form[: target + 1])) + "." for form in (right, wrong))
    return Pair(" ".join(context), *endings)


def _narrative(rng: Random) -> str:
    """A sentence of a story in the past tense."""
    subject = pick(rng, NAMES) if rng.random() < 0.4 else _noun_phrase(rng, rng.random() < 0.3)
    kind = rng.random()
    if kind < 0.4:
        place = f"the {pick(rng, PLACES if rng.random() < 0.7 else OBJECTS)}"
        reason = f" because {pick(rng, _REASONS)}" if rng.random() < 0.4 else ""
        return f"{pick(rng, _TIMES)} {subject} {pick(rng, _PAST)} {place}{reason}."
    if kind < 0.7:
        return f'"Where is the {pick(rng, OBJECTS)}?" asked {subject}.'
    return f"{_capital(subject)} put the {pick(rng, OBJECTS)} in the {pick(rng, PLACES)}."


def sentence(rng: Random, side: bool) -> str:
    """A sentence on the wanted side of the split (True: held out)."""
    while True:
        text = _narrative(rng) if rng.random() < 0.25 else pair(rng).sentence
        if is_held_out(text) == side:
            return text


def story(rng: Random, side: bool) -> str:
    """Four to ten sentences; a third of the stories end on a stock phrase."""
    sentences = [sentence(rng, side) for _ in range(between(rng, 4, 10))]
    ending = pick(rng, _ENDINGS)
    if rng.random() < 0.3 and is_held_out(ending) == side:
        sentences.append(ending)
    return " ".join(sentences)
