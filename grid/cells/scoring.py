"""How a written answer is scored against an item's own answers. The same text, the same score."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

from grid.cells import matching
from grid.cells.items import Item
from grid.cells.written_choice import read_choice

VALID_JSON = "valid JSON"
INVALID_JSON = "invalid JSON"
"""What the note of an answer says where JSON was asked."""

_RELATIVE, _ABSOLUTE = 1e-6, 1e-9
_NUMBER = re.compile(
    r"""(?<![\d.])(?P<sign>(?<![\w)])[-+\u2212])?\s?[$\u00a3\u20ac\u00a5]?
        (?P<digits>\d{1,3}(?:,\d{3}){1,12}(?!,?\d)|\d+|(?=\.\d))
        (?P<fraction>\.\d+)?(?P<exponent>[eE][-+]?\d{1,3}(?![\w.]))?""",
    re.VERBOSE,
)


class Verdict(NamedTuple):
    """`score` 0 or 1; `chosen` the index of the answer or choice that was read, -1 for none;
    `note` what a reader should know."""

    score: float
    chosen: int = -1
    note: str = ""


def score_response(item: Item, response: str) -> Verdict:
    """Score a response by the item's `scoring`.

    `exact`: the text is one of the answers, white space at its ends aside. `contains`: one of the
    answers stands in it, not as a part of a longer word, in either case. `regex`: the pattern
    matches somewhere. `number`: its last number is an answer's, within 1e-6 of it. `choice`: it
    names the right choice, by letter or text. `json`: it is one JSON value, a code fence around it
    aside, and equals an answer where there are any. Others (`harness`, `code`, `judge`) are scored
    elsewhere and get 0 for now.
    """
    rule = _RULES.get(item.scoring)
    return rule(item, response) if rule else Verdict(0.0)


def _exact(item: Item, response: str) -> Verdict:
    text = _normal(response)
    return _first(item, lambda answer: _normal(answer) == text)


def _contains(item: Item, response: str) -> Verdict:
    text = _normal(response).casefold()
    return _first(item, lambda answer: matching.stands_in(_normal(answer).casefold(), text))


def _regex(item: Item, response: str) -> Verdict:
    matches, note = matching.search(item.pattern, response)
    return Verdict(float(matches), note=note)


def _number(item: Item, response: str) -> Verdict:
    value = last_number(response)
    if value is None:
        return Verdict(0.0, note="no number in the answer")
    return _first(item, lambda answer: _near(value, last_number(answer)))


def _choice(item: Item, response: str) -> Verdict:
    chosen = read_choice(item.choices, response)
    return Verdict(float(chosen == item.answer), chosen)


def _json(item: Item, response: str) -> Verdict:
    try:
        value = parse_json(response)
    except ValueError:
        return Verdict(0.0, note=INVALID_JSON)
    if not item.answers:
        return Verdict(1.0, note=VALID_JSON)
    return _first(item, lambda answer: _same_json(answer, value))._replace(note=VALID_JSON)


def _same_json(answer: str, value: Any) -> bool:
    try:
        return bool(parse_json(answer) == value)
    except ValueError:
        return False


_RULES: dict[str, Callable[[Item, str], Verdict]] = {
    "exact": _exact,
    "contains": _contains,
    "regex": _regex,
    "number": _number,
    "choice": _choice,
    "json": _json,
}


def last_number(text: str) -> float | None:
    """The last number in a text: sign, decimals, exponent, commas between thousands and a currency
    are read, digits in the middle of a word (H2O) are not; None where there is none."""
    value = None
    for match in _NUMBER.finditer(text):
        start, end = match.start("digits"), match.end()
        if text[start - 1 : start].isalpha() and text[end : end + 1].isalpha():
            continue
        digits = match["digits"].replace(",", "")
        number = float(digits + (match["fraction"] or "") + (match["exponent"] or ""))
        value = -number if match["sign"] in ("-", "\u2212") else number
    return value


def parse_json(text: str) -> Any:
    """The JSON value that a text is, a code fence around it aside. Raises ValueError."""
    fenced = re.fullmatch(r"```[A-Za-z]*\n(.*?)\n?```", text.strip(), re.DOTALL)
    try:
        return json.loads(
            fenced[1] if fenced else text, parse_constant=_refuse, parse_int=_whole_number
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _whole_number(digits: str) -> int | str:
    """Python refuses to read whole numbers of thousands of digits, which JSON allows."""
    return digits if len(digits) > 4000 else int(digits)


def _near(value: float, answer: float | None) -> bool:
    if answer is None or value != value or abs(value) == float("inf"):
        return False
    return abs(value - answer) <= max(_RELATIVE * max(abs(value), abs(answer)), _ABSOLUTE)


def _first(item: Item, is_right: Callable[[str], bool]) -> Verdict:
    chosen = next((i for i, answer in enumerate(item.answers) if is_right(answer)), -1)
    return Verdict(float(chosen >= 0), chosen)


def _normal(text: str) -> str:
    """Composed characters, no white space at the ends."""
    return unicodedata.normalize("NFC", text).strip()
