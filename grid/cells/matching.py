"""Matching of texts that nobody has vetted: words, and patterns within a time limit."""

from __future__ import annotations

import json
import subprocess
import sys

SEARCH_S = 2.0
"""Seconds that a pattern may search: some take years for texts that nearly match them."""

LONGEST_SEARCHED = 100_000
"""Characters of a response that a pattern is tried on, its last ones."""

_CHILD = (
    "import json, re, sys; pattern, text = json.load(sys.stdin); "
    "sys.exit(0 if re.search(pattern, text) else 1)"
)


def stands_in(part: str, text: str) -> bool:
    """Whether `part` stands in a text other than inside of a longer word or number: `4` does not
    in `14`. Scripts without spaces between words have no such borders."""
    start = text.find(part) if part else -1
    while start >= 0:
        end = start + len(part)
        if not _joined(text[start - 1 : start], part[0]) and not _joined(part[-1], text[end:][:1]):
            return True
        start = text.find(part, start + 1)
    return False


def _joined(left: str, right: str) -> bool:
    """Whether two neighbours belong to one word."""
    return all(side.isalnum() and not _without_spaces(side) for side in (left, right))


def _without_spaces(character: str) -> bool:
    """Chinese, Japanese, Thai and their neighbours, roughly."""
    return "\u0e00" <= character <= "\u0eff" or character >= "\u2e80"


def search(pattern: str, text: str) -> tuple[bool, str]:
    """Whether a pattern matches somewhere in a text, and a note where it took too long, which
    counts as no match. It runs in a process of its own, for a search cannot be interrupted."""
    content = json.dumps([pattern, text[-LONGEST_SEARCHED:]])
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _CHILD],
            input=content.encode(),
            capture_output=True,
            timeout=SEARCH_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False, f"the pattern was given up after {SEARCH_S:g} s"
    return done.returncode == 0, ""
