"""A report's file, and checked values out of it: a bad one is one line, never a traceback."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from grid.errors import InputError

MOST_BYTES = 2**30
"""Largest file that is read; task samples of a whole benchmark are well below it."""

_MOST = 2**53
"""Counts above this are no counts, and would not survive as JSON numbers."""

_CONTROLS = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\0-\x08\x0e-\x1f\x7f-\x9f]"
)
"""Sequences that colour a terminal's text or set its title, and single control characters."""

JsonObject = Mapping[str, Any]


@dataclass
class ReportFile:
    """A file's text, and names that the user gives; `skipped` has notes of what is left out."""

    path: Path
    text: str
    hardware: str | None = None
    model: str | None = None
    skipped: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.path.name

    def skip(self, what: str) -> None:
        self.skipped.append(f"{self.name}: {what}")

    def error(self, what: str) -> InputError:
        """The error that ends reading, with the file's path before the text."""
        return InputError(f"{self.path}: {what}")


def read_text(path: Path) -> str:
    """A text file's content, UTF-8 or UTF-16 with its mark (which a Windows shell writes).

    Raises InputError for a folder, a file that cannot be read, is empty, too large or not text.
    """
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder; give the files in it")
        if not path.is_file():
            raise InputError(f"there is no file {path}; check the name")
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path} is larger than 1 GiB: no report of a benchmark is")
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {' '.join(str(error).split())}") from error
    return decode(path, content)


def decode(path: Path, content: bytes) -> str:
    """The content as text. Raises InputError where it is none."""
    utf16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        text = content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not text in UTF-8 (byte {error.start}); give the tool's own report"
        ) from error
    if "\0" in text:
        raise InputError(f"{path} is a binary file; give the tool's own report")
    if not text.strip():
        raise InputError(f"{path} is empty; run the tool again, or give another file")
    return _CONTROLS.sub("", text)


def parse_json(source: ReportFile, text: str, line: int | None = None) -> Any:
    """Parsed JSON. Raises InputError where it is cut short or none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f"line {line}" if line is not None else _where(error)
        reason = "nested too deeply" if isinstance(error, RecursionError) else _reason(error)
        raise source.error(f"not whole JSON ({where}: {reason}); was it cut short?") from error


def _where(error: BaseException) -> str:
    return f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else "somewhere"


def _reason(error: BaseException) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else "a number that is too long"


def number(source: ReportFile, row: JsonObject, name: str, where: str) -> float | None:
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


def count(source: ReportFile, row: JsonObject, name: str, where: str) -> int | None:
    """A whole number from 0 on; None where it is absent. Raises InputError otherwise."""
    parsed = number(source, row, name, where)
    if parsed is None:
        return None
    if parsed != int(parsed) or parsed > _MOST:
        raise source.error(f"{where}: {name} is {quote(row[name])}, not a count")
    return int(parsed)


def text(row: JsonObject, name: str) -> str:
    """A value as one line of text, empty where it is absent."""
    value = row.get(name)
    if value is None or isinstance(value, Mapping | list):
        return ""
    return clean(str(value))


def texts(row: JsonObject, names: Iterable[str]) -> dict[str, str]:
    """The values of some fields as text, without those that are absent or empty."""
    return {name: value for name in names if (value := text(row, name))}


def clean(value: str) -> str:
    """One line that Arrow takes and a terminal shows: half a surrogate pair in JSON is no text,
    and what a terminal would obey is left out."""
    whole = _CONTROLS.sub("", value.encode("utf-8", "backslashreplace").decode("utf-8"))
    return " ".join("".join(c for c in whole if c.isprintable() or c.isspace()).split())


def finite(value: Any) -> float | None:
    """The value as a finite float, None where it is none; a truth value is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        parsed = float(value)
    except (ValueError, OverflowError):
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


def quote(value: Any) -> str:
    """A value of the file as an error line quotes it."""
    quoted = repr(value)
    return clean(quoted if len(quoted) <= 40 else quoted[:37] + "...")
