"""Source: a file that may hold reports, as readers look at it: text, lines, tables, JSON values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from grid.errors import InputError
from grid.results.imports.cleaning import clean
from grid.results.imports.tables import ReportTable, markdown_tables

_FAILED_PARSES = 1 << 20
"""Characters of text that may be looked at in vain for the end of a JSON value."""


class JsonPart(NamedTuple):
    """A JSON value of a file and the line where it begins, from 1 on."""

    line: int
    value: Any


@dataclass
class Source:
    """A file's text, and the names of hardware and model that the user gives.

    Readers note in `skipped` what is left out on purpose, and in `refused` what could not be read
    or cannot be true, a line each.
    """

    path: Path
    text: str
    hardware: str | None = None
    model: str | None = None
    skipped: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The file's name, as a terminal shows it."""
        return clean(self.path.name)

    @cached_property
    def lines(self) -> list[str]:
        """The lines of the text; line `n` of messages is `lines[n - 1]`."""
        return self.text.splitlines()

    @cached_property
    def is_json(self) -> bool:
        """Whether the text begins as JSON does."""
        return self.text.lstrip()[:1] in ("{", "[")

    @cached_property
    def json(self) -> Any:
        """The whole text as one JSON value; None where it is none."""
        if not self.is_json:
            return None
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            return None

    @cached_property
    def json_parts(self) -> tuple[JsonPart, ...]:
        """Objects and lists that begin and end with a line: the whole file, the lines of JSONL, or
        those between lines of a log. A value that breaks off is none."""
        if self.json is not None:
            first = next(at for at, line in enumerate(self.lines, 1) if line.strip())
            return (JsonPart(first, self.json),)
        return tuple(_json_between(self.lines))

    @cached_property
    def tables(self) -> tuple[ReportTable, ...]:
        """Tables in markdown, whatever prefixes a logger put before their lines."""
        return tuple(markdown_tables(self.lines))

    def skip(self, what: str) -> None:
        """Note what is left out on purpose."""
        line = f"{self.name}: {what}"
        if line not in self.skipped[-1:]:
            self.skipped.append(line)

    def refuse(self, what: str) -> None:
        """Note what could not be read or cannot be true."""
        self.refused.append(f"{self.path}: {what}")

    def error(self, what: str) -> InputError:
        """The error that ends the reading of the file, or of the record inside `refusing()`."""
        return InputError(f"{self.path}: {what}")

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Inside, an error of one record is noted as refused, and the others are read on."""
        try:
            yield
        except InputError as error:
            self.refused.append(str(error))


def _json_between(lines: list[str]) -> Iterator[JsonPart]:
    """JSON values that begin a line and end one, of lines that are not all JSON."""
    decoder, wasted, at = json.JSONDecoder(), 0, 0
    while at < len(lines):
        start = lines[at].lstrip()
        if start[:1] not in ("{", "["):
            at += 1
            continue
        value, length = _parse_lines(decoder, lines, at, start)
        if length:
            yield JsonPart(at + 1, value)
            at += length
            continue
        wasted += len(start)
        at += 1
        if wasted > _FAILED_PARSES:
            return


def _parse_lines(
    decoder: json.JSONDecoder, lines: list[str], at: int, start: str
) -> tuple[Any, int]:
    """(value, lines that it takes) of the JSON that begins at a line; (None, 0) for none."""
    closing = "}" if start[0] == "{" else "]"
    if start.rstrip()[-1:] == closing:
        value = _parse(decoder, start.rstrip())
        if value is not None:
            return value, 1
    if len(start.rstrip()) > 1 and start.rstrip()[-1:] not in ("{", "[", ",", ":"):
        return None, 0
    for end in range(at + 1, len(lines)):
        if lines[end].startswith(closing) and lines[end].rstrip() in (closing, f"{closing},"):
            text = "\n".join([start, *lines[at + 1 : end], closing])
            value = _parse(decoder, text)
            return (value, end - at + 1) if value is not None else (None, 0)
    return None, 0


def _parse(decoder: json.JSONDecoder, text: str) -> Any:
    try:
        value = decoder.decode(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None
