"""JSON in text of other tools: whole values, and why a value is none."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from grid.results.imports.tables import without_prefix

_FAILED_PARSES = 1 << 20
"""Characters of text that may be looked at in vain for the end of a JSON value."""

_FIRST_FIELD = re.compile(r'\s*\{\s*"([^"\\]{1,200})"\s*:')


_FARTHEST = 100
"""Where in its line a JSON object may begin that is looked for."""


class JsonPart(NamedTuple):
    """A JSON value of a file, the line where it begins, from 1 on, and how many lines it takes."""

    line: int
    value: Any
    lines: int = 1


class RepeatedField(ValueError):
    """An object has a field twice, with two values: readers of JSON would take the last."""


def load_json(text: str) -> Any:
    """The value. Raises ValueError, RepeatedField or RecursionError for none."""
    return json.loads(text, object_pairs_hook=_object)


def why_no_json(error: BaseException) -> str:
    """What `load_json` failed on, in a few words."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, RepeatedField):
        return str(error)
    return error.msg if isinstance(error, json.JSONDecodeError) else "a number that is too long"


def json_between(lines: Sequence[str]) -> Iterator[JsonPart]:
    """JSON values that begin a line and end one, of lines that are not all JSON. What a logger puts
    before a value of one line is passed over."""
    wasted, at = 0, 0
    ends = {
        mark: [at for at, line in enumerate(lines) if line.rstrip() in (mark, f"{mark},")]
        for mark in ("}", "]")
    }
    while at < len(lines):
        start = without_prefix(lines[at]) if "{" in lines[at] or "[" in lines[at] else ""
        if start[:1] not in ("{", "["):
            at += 1
            continue
        value, length = _parse_lines(lines, at, start, ends)
        if length:
            yield JsonPart(at + 1, value, length)
            at += length
            continue
        wasted += len(start)
        at += 1
        if wasted > _FAILED_PARSES:
            return


def broken_lines(lines: Sequence[str], parts: Sequence[JsonPart]) -> Iterator[tuple[int, str]]:
    """(line, why) of the lines of JSONL that are no whole JSON, or have other text before it: they
    begin with the field that whole ones of the same lines begin with."""
    whole = {at for part in parts for at in range(part.line, part.line + part.lines)}
    fields = {next(iter(part.value), None) for part in parts if isinstance(part.value, dict)}
    for at, line in enumerate(lines, 1):
        if at in whole or "{" not in line[:_FARTHEST]:
            continue
        match = _FIRST_FIELD.search(line)
        if match and match[1] in fields and match.start() < _FARTHEST:
            try:
                load_json(without_prefix(line))
            except (ValueError, RecursionError) as error:
                yield at, why_no_json(error)


def _parse_lines(
    lines: Sequence[str], at: int, start: str, ends: Mapping[str, Sequence[int]]
) -> tuple[Any, int]:
    """(value, lines that it takes) of the JSON that begins at a line; (None, 0) for none."""
    closing = "}" if start[0] == "{" else "]"
    if start.rstrip()[-1:] == closing:
        value = _parse(start.rstrip())
        if value is not None:
            return value, 1
    if len(start.rstrip()) > 1 and start.rstrip()[-1:] not in ("{", "[", ",", ":"):
        return None, 0
    place = bisect_right(ends[closing], at)
    if place < len(ends[closing]):
        end = ends[closing][place]
        value = _parse("\n".join([start, *lines[at + 1 : end], closing]))
        return (value, end - at + 1) if value is not None else (None, 0)
    return None, 0


def _parse(text: str) -> Any:
    try:
        value = load_json(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        twice = next((name for name, first in pairs if first != value[name]), None)
        if twice is not None:
            raise RepeatedField(f"the field {twice[:60]!r} stands twice, with two values")
    return value
