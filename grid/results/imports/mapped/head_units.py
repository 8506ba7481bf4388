"""The unit that the head of a column states: `Size (GB)`, `TTFT ms`, `size_gib`, `t/s`."""

from __future__ import annotations

import re

from grid.results.imports.units import factor, is_unit

_BRACKETS = re.compile(r"[(\[]([^()\[\]]*)[)\]]")
_SCALES = re.compile(
    r"\d|[\u00d7\u2030%^]"
    r"|\b(?:milli|micro|nano|kilo|mega|giga|log|ln|log10|thousand\w*|percent)\b",
    re.IGNORECASE,
)
"""What in brackets may scale a figure: `(x1000)`, `(1e-3)`, `(milli)`."""


def head_unit(column: str, ours: str) -> str | None:
    """The unit in a column's head; None where it states none.

    Words in brackets that are no unit and may scale the figure come back as they are: they are no
    unit of anything, and so the column is refused until the map gives its unit.
    """
    plain = column.strip()
    for words in reversed(_BRACKETS.findall(plain)):
        inner: str = words.strip()
        if inner and (is_unit(inner) or _SCALES.search(inner)):
            return inner
    if " " not in plain and is_unit(plain):
        return plain if len(plain) > 1 or factor(plain, ours) is not None else None
    last: str = re.split(r"[\s_,|]+", _BRACKETS.sub(" ", plain).strip())[-1]
    if not last or last.isdigit() or last == plain:
        return "%" if plain.endswith("%") else None
    if factor(last, ours) is not None or (len(last) > 1 and is_unit(last)):
        return last
    return "%" if last.endswith("%") else None
