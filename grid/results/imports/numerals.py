"""Numbers as people and spreadsheets write them: `3,000.00 ± 5`, `**12.5**`, `684,51`."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from grid.results.imports.glyphs import PLUS_MINUS

_MARKUP = re.compile(r"^(\*\*|__|\*|`|<b>|<strong>)(.*?)(\*\*|__|\*|`|</b>|</strong>)$")
_MARKS = ".,'\u2019\u00a0\u202f\u2009 "
"""Marks of thousands and decimals: point, comma, apostrophes, and blanks of several widths."""

_NUMBER = rf"[-+]?\d[\d{_MARKS}]*(?:e[-+]?\d{{1,3}})?|[-+]?nan|[-+]?inf"
_WITH_ERROR = re.compile(rf"({_NUMBER})(?:\s*(?:{PLUS_MINUS})\s*({_NUMBER}))?", re.IGNORECASE)
_PLAIN = re.compile(r"[-+]?\d{1,18}(?:\.\d{1,18})?(?:[eE][-+]?\d{1,3})?")
_GROUPED = re.compile(
    rf"([-+]?\d{{1,3}}(?:([{_MARKS}])\d{{3}})(?:\2\d{{3}})*)(?:([.,])(\d{{1,18}}))?"
)
_COMMA = re.compile(r"[-+]?\d{1,18},\d{1,18}")
_GROUP_MARKS = re.compile(f"[{_MARKS}]")


class NumberWithError(NamedTuple):
    """A figure, and the spread that stands behind it; None where there is none or it is nan."""

    value: float
    error: float | None = None


def figure_in(cell: str) -> NumberWithError | None:
    """The number of a cell, with what stands after its `±`; None where the cell is none, or may be
    read in two ways, as `3,000`."""
    match = _WITH_ERROR.fullmatch(without_markup(cell))
    value = parse_number(match[1]) if match else None
    if match is None or value is None:
        return None
    if match[2] is None or match[2].lower().lstrip("-") in ("nan", "inf"):
        return NumberWithError(value)
    error = parse_number(match[2])
    return None if error is None or error < 0 else NumberWithError(value, error)


def parse_number(text: str) -> float | None:
    """A finite number, with marks of thousands or a decimal comma where only one reading is
    possible; None otherwise."""
    text = text.strip()
    if _PLAIN.fullmatch(text):
        return _finite(text)
    grouped = _GROUPED.fullmatch(text)
    if grouped is not None:
        return _grouped(grouped)
    return _finite(text.replace(",", ".")) if _COMMA.fullmatch(text) else None


def possible_numbers(text: str) -> list[float]:
    """All readings of a number: that of `parse_number`, or both of `2,000`; none of no number."""
    number = parse_number(text)
    if number is not None:
        return [number]
    marks = re.fullmatch(r"[-+]?\d{1,3}([.,])\d{3}", text.strip())
    plain = text.strip()
    return [float(plain.replace(marks[1], mark)) for mark in (".", "")] if marks else []


def without_markup(cell: str) -> str:
    """A cell without the marks of bold, italic and code around it."""
    text = cell.strip()
    while match := _MARKUP.match(text):
        text = match[2].strip()
    return text


def _grouped(match: re.Match[str]) -> float | None:
    """`3,000.00`, `1.234,5`, `1 234`; `3,000` may be three or three thousand."""
    whole, mark, point, decimals = match[1], match[2], match[3], match[4]
    if point == mark:
        return None
    groups = len(_GROUP_MARKS.findall(whole))
    if point is None and mark in ",." and groups == 1:
        return None
    return _finite(_GROUP_MARKS.sub("", whole) + (f".{decimals}" if decimals else ""))


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None
