"""Which choice a written answer names: by its letter, or by its text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import ascii_uppercase

from grid.cells.matching import stands_in

_WRAPPED = r"[\s*_(\[\"'$\\{]*(?:boxed\{|text\{)?\(?"
_STATED = re.compile(
    r"(?i:answer|choice|option)(?i:\s+(?:is|would\s+be|should\s+be)|\s*[:=])(?i:\s+(?:option|choice))?"
    rf"(?:\s*:)?{_WRAPPED}([A-Z])(?![A-Za-z0-9']|\s+[a-z])"
)
"""`The answer is (B)`, `Answer: **C**`; not `the answer is A dog`."""
_ALONE = re.compile(rf"{_WRAPPED}([A-Za-z])[\s*_)\].:\"'$}}]*")
_FIRST = re.compile(
    r"[\s*_]*(?:\(([A-Z])\)|\[([A-Z])\]|([A-Z])[).:]|\*\*([A-Z])\*\*)(?![A-Za-z0-9])"
)
_IN_BRACKETS = re.compile(r"\(([A-Z])\)")


def read_choice(choices: Sequence[str], response: str) -> int:
    """Index of the choice that a response names, -1 where it names none, or several.

    In this order: what it says is the answer (the last time it does), a letter that is all of it, a
    letter at its beginning (`B.`, `(B)`), the only choice whose text stands in it, the only letter
    in brackets.
    """
    for read in (_stated, _alone, _first, _by_text, _bracketed):
        chosen = read(choices, response)
        if chosen >= 0:
            return chosen
    return -1


def _stated(choices: Sequence[str], response: str) -> int:
    letters = [_index(match[1], choices) for match in _STATED.finditer(response)]
    if letters and letters[-1] >= 0:
        return letters[-1]
    places = [match.end() for match in re.finditer(r"(?i)answer(?:\s+is|\s*:)", response)]
    return _by_text(choices, _line(response[places[-1] :])) if places else -1


def _line(text: str) -> str:
    """The first line with text, where a statement ends."""
    return text.strip().partition("\n")[0]


def _alone(choices: Sequence[str], response: str) -> int:
    match = _ALONE.fullmatch(response.strip()[:40]) if len(response.strip()) <= 40 else None
    return _index(match[1].upper(), choices) if match else -1


def _first(choices: Sequence[str], response: str) -> int:
    match = _FIRST.match(response)
    letter = next(filter(None, match.groups())) if match else ""
    return _index(letter, choices)


def _by_text(choices: Sequence[str], response: str) -> int:
    """The only choice in the text; one that is a part of another one there does not count."""
    text = _plain(response)
    plain = [_plain(choice) for choice in choices]
    present = [index for index, choice in enumerate(plain) if stands_in(choice, text)]
    texts = {plain[index] for index in present}
    whole = [i for i in present if not any(plain[i] in text for text in texts - {plain[i]})]
    return whole[0] if len(whole) == 1 else -1


def _bracketed(choices: Sequence[str], response: str) -> int:
    letters = {_index(match[1], choices) for match in _IN_BRACKETS.finditer(response)} - {-1}
    return letters.pop() if len(letters) == 1 else -1


def _index(letter: str, choices: Sequence[str]) -> int:
    place = ascii_uppercase.find(letter) if letter else -1
    return place if place < len(choices) else -1


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .,;:!?\"'*_")
