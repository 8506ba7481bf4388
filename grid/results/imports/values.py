"""Checked values out of JSON and CSV: a bad one is one line, never a traceback."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from grid.results.imports.cleaning import clean, quote
from grid.results.imports.json_text import load_json, why_no_json
from grid.results.imports.numerals import parse_number
from grid.results.imports.source import Source

_MOST = 2**53
"""Counts above this are no counts, and would not survive as JSON numbers."""

JsonObject = Mapping[str, Any]


def parse_json(source: Source, text: str, line: int | None = None) -> Any:
    """Parsed JSON. Raises InputError where it is cut short or none."""
    try:
        return load_json(text)
    except (ValueError, RecursionError) as error:
        where = f"line {line}" if line is not None else _where(error)
        raise source.error(
            f"not whole JSON ({where}: {why_no_json(error)}); was it cut short?"
        ) from error


def _where(error: BaseException) -> str:
    return f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else "somewhere"


def number(source: Source, row: JsonObject, name: str, where: str) -> float | None:
    """A finite number, 0 or more; None where it is absent. Text is converted, as CSV needs.

    Raises InputError for anything else: a rate or a size cannot be negative or NaN.
    """
    value = row.get(name)
    if value is None or value == "":
        return None
    parsed = finite(value)
    if parsed is None or parsed < 0:
        raise source.error(f"{where}: {name} is {quote(value)}, not a number from 0 on")
    return parsed


def count(source: Source, row: JsonObject, name: str, where: str) -> int | None:
    """A whole number from 0 on; None where it is absent. Raises InputError otherwise."""
    parsed = number(source, row, name, where)
    if parsed is None:
        return None
    if parsed != int(parsed) or parsed > _MOST:
        raise source.error(f"{where}: {name} is {quote(row[name])}, not a count")
    return int(parsed)


def count_in(value: Any) -> int | None:
    """The value as a whole number from 0 on; None where it is none."""
    parsed = finite(value)
    return int(parsed) if parsed is not None and 0 <= parsed == int(parsed) < _MOST else None


def text(row: JsonObject, name: str) -> str:
    """A value as one line of text, empty where it is absent."""
    value = row.get(name)
    if value is None or isinstance(value, Mapping | list):
        return ""
    return clean(str(value))


def texts(row: JsonObject, names: Iterable[str]) -> dict[str, str]:
    """The values of some fields as text, without those that are absent or empty."""
    return {name: value for name in names if (value := text(row, name))}


def finite(value: Any) -> float | None:
    """The value as a finite float, None where it is none; a truth value is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str):
        return parse_number(value)
    try:
        parsed = float(value)
    except OverflowError:
        return None
    return parsed if math.isfinite(parsed) else None


def mapping(value: Any) -> dict[str, Any]:
    """The value where it is an object, else an empty one: absent parts read as absent."""
    return value if isinstance(value, dict) else {}


def epoch_seconds(value: Any) -> float | None:
    """Seconds since the epoch of an ISO 8601 time or a number; None where it is neither."""
    at = finite(value)
    if at is not None:
        return at if 0 < at < 2**33 else None
    try:
        when = datetime.fromisoformat(str(value))
        at = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return at if 0 < at < 2**33 else None
