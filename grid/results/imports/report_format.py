"""A kind of report that can be read: its name, how it is recognised, and its reader."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from grid.results.imports.attempt import FigureOrigin, ImportedAttempt
from grid.results.imports.report_file import ReportFile


@dataclass(frozen=True)
class Content:
    """What a file holds, as formats look at it: plain `text`, or else JSON.

    `first_line` is parsed where several lines are no JSON together. What cannot be parsed is None.
    """

    text: str = ""
    is_json: bool = False
    json: Any = None
    first_line: Any = None


@dataclass(frozen=True)
class ReportFormat:
    """`matches` recognises a whole report by its content; `read` raises InputError for another.

    A format that is not `selectable` is recognised, and cannot be asked for by name.
    """

    name: str
    description: str
    origin: FigureOrigin
    matches: Callable[[Content], bool]
    read: Callable[[ReportFile], list[ImportedAttempt]]
    selectable: bool = True


def content_of(text: str) -> Content:
    """The content of a text that may be JSON or lines of JSON."""
    if not text.lstrip().startswith(("{", "[")):
        return Content(text=text)
    whole = _parse(text)
    lines = text.strip().splitlines() if whole is None else []
    return Content(
        is_json=True, json=whole, first_line=_parse(lines[0]) if len(lines) > 1 else None
    )


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
