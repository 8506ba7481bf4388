"""Items that ask for a fact in a long text: what a model still finds at depth.

The task is the usual needle in a haystack with several needles: of four facts of one form in a
passage, one is asked for, and the answers of all four are the choices. So an answer is exact, an
answer from nowhere in the passage is right in a quarter of the items, and copying whatever code was
read last is no better.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from grid.errors import InputError

DEPTHS = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Where the fact that is asked for stands, as shares of the passage; items take them in turn."""

DOORS = ("red", "blue", "green", "yellow", "white", "black", "grey", "brown")
_CHOICES = 4
_CODES = range(1000, 10_000)
_QUESTION = "The code of the {door} door is"


def needle_rows(text: str, words: int, items: int, seed: int = 1234) -> Iterator[str]:
    """Lines of a task file: `items` questions, each behind a passage of `words` words of the text,
    which begins elsewhere in it each time. The same arguments give the same lines. Raises
    InputError for a text that is too short."""
    haystack = text.split()
    if len(haystack) < words:
        raise InputError(
            f"the text has {len(haystack)} words, fewer than the {words} of a passage; "
            "lower --words, or give a longer text"
        )
    yield json.dumps({"defaults": {"class": "context", "scoring": "choice"}})
    draws = random.Random(seed)
    step = max(1, (len(haystack) - words) // max(1, items - 1))
    for index in range(items):
        first = min(index * step, len(haystack) - words)
        depth = DEPTHS[index % len(DEPTHS)]
        row = _row(haystack[first : first + words], depth, draws)
        yield json.dumps({"id": f"{round(100 * depth)}%-{index}", **row}, ensure_ascii=False)


def write_needles(text: Path, target: Path, words: int, items: int, seed: int) -> int:
    """Write such a file; returns how many characters its longest prompt has. Raises InputError
    where one of them cannot be read or written."""
    try:
        rows = list(needle_rows(text.read_text(encoding="utf-8"), words, items, seed))
        target.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{text}: not a text in UTF-8") from None
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}") from error
    return max(len(json.loads(row)["prompt"]) for row in rows[1:])


def _row(passage: Sequence[str], depth: float, draws: random.Random) -> dict[str, object]:
    """The passage with four facts in it, the one that is asked for at `depth`, and the question."""
    doors = draws.sample(DOORS, _CHOICES)
    codes = [str(code) for code in draws.sample(_CODES, _CHOICES)]
    places = [depth, *draws.sample([place for place in DEPTHS if place != depth], _CHOICES - 1)]
    facts = sorted(zip(places, doors, codes, strict=True))
    parts, start = [], 0
    for place, door, code in facts:
        end = round(place * len(passage))
        parts += [*passage[start:end], f"{_QUESTION.format(door=door)} {code}."]
        start = end
    prompt = " ".join([*parts, *passage[start:]]) + f"\n\n{_QUESTION.format(door=doors[0])}"
    return {"prompt": prompt, "choices": [f" {code}" for code in sorted(codes)], "answer": codes[0]}
