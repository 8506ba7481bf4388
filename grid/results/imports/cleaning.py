"""Text out of files that nobody vouches for, as Arrow takes it and a terminal may show it."""

from __future__ import annotations

import re
from typing import Any

_CONTROLS = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\0-\x08\x0e-\x1f\x7f-\x9f]"
)
"""Sequences that colour a terminal's text or set its title, and single control characters."""


def without_controls(text: str) -> str:
    """The text without what a terminal would obey; line ends and tabs stay."""
    return _CONTROLS.sub("", text)


def clean(value: str) -> str:
    """One line that Arrow takes and a terminal shows: half a surrogate pair in JSON is no text,
    and what a terminal would obey is left out."""
    whole = without_controls(value.encode("utf-8", "backslashreplace").decode("utf-8"))
    return " ".join("".join(c for c in whole if c.isprintable() or c.isspace()).split())


def quote(value: Any) -> str:
    """A value of the file as an error line quotes it."""
    quoted = repr(value)
    return clean(quoted if len(quoted) <= 40 else quoted[:37] + "...")
