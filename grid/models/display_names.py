"""Names and texts of other people as a person may see them: visible characters, short names."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable

ELLIPSIS = "…"

_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Characters that count as printable and show nothing."""

_OF_PROSE = frozenset("\n\t\u00a0\u2009\u202f\u3000\u200c\u200d")
"""Line ends, spaces and joiners, which belong to texts but not to names."""

_NOT_PLAIN = re.compile(r"[^\t\n -~]")

_STEP = 4
"""Cells by which a width is tried."""


def visible(text: str, prose: bool = False) -> str:
    r"""The text with each character that would not show, or would act on a terminal or on its
    neighbours, as an escape: `\x1b`, `\n`, `\u202e`.

    Such are control characters, terminal sequences, marks of direction, characters without width,
    private and unassigned ones. In `prose` line ends, tabs, wide spaces and joiners stay. The
    result is a fixed point, and clean text is itself.
    """
    if text.isprintable() and _BLANK_LETTERS.isdisjoint(text):
        return text
    return "".join(
        c
        if (c.isprintable() and c not in _BLANK_LETTERS) or (prose and c in _OF_PROSE)
        else c.encode("unicode_escape").decode()
        for c in text
    )


def visible_json(text: str, plain: bool = False) -> str:
    """JSON of the same value in which what does not show stands as JSON's own escape, `\\u009b`;
    `plain` writes all that is not ASCII so."""
    return _NOT_PLAIN.sub(
        lambda match: (
            match[0] if not plain and visible(match[0]) == match[0] else _escape(match[0])
        ),
        text,
    )


def shorten(
    name: str, width: int, measure: Callable[[str], int] = len, mark: str = ELLIPSIS
) -> str:
    """The name, with a mark for its middle where it is wider than `width`."""
    return _cut(name, width, (width - measure(mark)) // 2, measure, mark)


def shorten_distinct(
    names: Iterable[str],
    width: int,
    measure: Callable[[str], int] = len,
    mark: str = ELLIPSIS,
) -> dict[str, str]:
    """Short forms by name, each at most `width` wide, no two alike.

    All are cut at the same place: the middle, or the nearest to it that tells them apart. Names
    that no single cut tells apart stay whole.
    """
    distinct = list(dict.fromkeys(names))
    room = max(width - measure(mark), 0)
    best: dict[str, str] = {}
    for head in sorted(range(room + 1), key=lambda place: abs(place - room // 2)):
        short = {name: _cut(name, width, head, measure, mark) for name in distinct}
        if len(set(short.values())) == len(distinct):
            return short
        best = best or short
    counts = list(best.values())
    return {
        name: cut if counts.count(cut) == 1 and cut not in distinct else name
        for name, cut in best.items()
    }


def least_distinct_width(
    names: Collection[str],
    least: int,
    measure: Callable[[str], int] = len,
    mark: str = ELLIPSIS,
) -> int:
    """The smallest width from `least` on, in steps, at which all names have short forms that
    differ."""
    longest = max(map(measure, names), default=0)
    for width in range(least, longest, _STEP):
        short = shorten_distinct(names, width, measure, mark)
        if all(measure(form) <= width for form in short.values()):
            return width
    return longest


def _cut(name: str, width: int, head: int, measure: Callable[[str], int], mark: str) -> str:
    """The name, or `head` cells of its start, the mark and what fits of its end."""
    if measure(name) <= width:
        return name
    start = _prefix(name, head, measure)
    tail = name[len(start) :]
    end = _prefix(tail[::-1], width - measure(start) - measure(mark), measure)[::-1]
    return start + mark + end


def _prefix(text: str, width: int, measure: Callable[[str], int]) -> str:
    """As much of the start of a text as fits."""
    if text.isascii():
        return text[: max(width, 0)]
    count = max(min(len(text), width), 0)
    while count and measure(text[:count]) > width:
        count -= 1
    return text[:count]


def _escape(character: str) -> str:
    code = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{code[at : at + 4]}" for at in range(0, len(code), 4))


def capitalised(text: str) -> str:
    """The text with its first letter large, as a sentence begins."""
    return text[:1].upper() + text[1:]
