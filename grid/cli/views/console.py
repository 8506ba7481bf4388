"""The console, tables and JSON that the views print."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.segment import Segment
from rich.text import Text

from grid.cli.views.fit_table import FittedTable, Pairs, glue, unglue
from grid.models.display_names import visible, visible_json

PIPE_WIDTH = 160
"""Columns where standard output is not a terminal, unless COLUMNS is set."""

TERMINAL_WIDTH, LEAST_WIDTH = 80, 20
"""Columns of a terminal that says none, and the fewest that lines are laid out for."""


def width_of(stream: Any) -> int:
    """Columns of a stream: those of its terminal, `PIPE_WIDTH` for a file or a pipe; the variable
    COLUMNS goes before both."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        width = int(columns)
    elif not stream.isatty():
        width = PIPE_WIDTH
    else:
        try:
            width = os.get_terminal_size(stream.fileno()).columns or TERMINAL_WIDTH
        except OSError:
            width = TERMINAL_WIDTH
    return max(width, LEAST_WIDTH)


class _Screen(Console):
    """A console whose lines are no wider than it and end without blanks, a number with its unit and
    interval on one of them. It shows text as it is: escapes are visible, brackets no markup."""

    def __init__(self, stream: Any, **settings: Any) -> None:
        width = width_of(stream)
        super().__init__(
            file=stream, width=width, highlight=False, emoji=False, markup=False, **settings
        )

    def render_str(self, text: str, **settings: Any) -> Text:
        """Text of a string, with what does not show as escapes."""
        return super().render_str(glue(self._shown(text), self.width), **settings)

    def print(self, *objects: Any, **settings: Any) -> None:
        """Print as rich does; `soft_wrap` leaves a line as long as it is."""
        markup = settings.pop("markup", None)
        contents = [self._text(each, markup) for each in objects]
        if settings.get("soft_wrap"):
            for content in contents:
                content.rstrip()
        elif contents:
            contents = [_Trimmed(content) for content in contents]
            settings["end"] = ""
        super().print(*contents, **settings)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """The segments of a renderable, with blanks where numbers were kept together."""
        for segment in super().render(renderable, options):
            yield Segment(unglue(segment.text), segment.style, segment.control)

    def _text(self, content: Any, markup: bool | None) -> Any:
        """Strings as text, texts with what does not show as escapes, and all else as it is."""
        if isinstance(content, str):
            return self.render_str(content, markup=markup)
        if isinstance(content, Text):
            content.plain = glue(self._shown(content.plain), self.width)
        return content

    def _shown(self, text: str) -> str:
        shown = visible(text, prose=True)
        return shown.encode(self.encoding, "backslashreplace").decode(self.encoding)


class _Trimmed:
    """A renderable without blanks at the ends of its lines."""

    def __init__(self, content: RenderableType) -> None:
        self.content = content

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in console.render_lines(self.content, options, pad=False):
            while line and not line[-1].text.strip():
                line.pop()
            if line:
                text, style, control = line.pop()
                line.append(Segment(text.rstrip(), style, control))
            yield from line
            yield Segment.line()


def console() -> Console:
    """Standard output: as wide as its terminal, or `PIPE_WIDTH` in a file or a pipe."""
    return _Screen(sys.stdout)


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Sequence[int] = (),
    wrap: Sequence[int] = (),
    names: Sequence[int] = (),
    optional: Sequence[int] = (),
    keep_empty: bool = False,
) -> FittedTable:
    """A table without lines between rows, for `console().print`; it fits whatever the width is.

    Columns are named by their place. Nothing is cut while there is room. In a narrow terminal

    1. columns without a figure go (unless `keep_empty`),
    2. `wrap`, columns of sentences, go over several lines,
    3. `names` are shortened in the middle, so that no two become alike,
    4. columns in `optional` go, the first of them first,
    5. each row becomes a block of lines `head  cell`, where all of that is not enough.

    All other columns, and `right`, which are numbers, are never cut or broken. Cells show as they
    are: brackets are no markup, and what would not show stands as an escape.
    """
    return FittedTable(columns, rows, right, wrap, names, optional, keep_empty)


def pairs(rows: Sequence[tuple[str, str]]) -> Pairs:
    """Labels and what they say, one below the other; long texts stay in their column."""
    return Pairs(rows)


def print_indented(text: Text, columns: int) -> None:
    """A text on standard output with so many blanks before each of its lines."""
    out = _Screen(sys.stdout)
    out.print(Padding(out._text(text, None), (0, 0, 0, columns)))


def print_script(out: Console, script: str) -> None:
    """Lines of a shell that can be pasted as they stand: one wider than the console goes on behind
    a backslash, at the start of the next."""
    lines = (part for line in script.splitlines() for part in _continued(line, out.width))
    out.print(Text("\n".join(lines), style="cyan"), soft_wrap=True)


def _continued(line: str, width: int) -> list[str]:
    """The line in parts that a shell joins; whole where it has quotes, in which none may break."""
    parts = []
    while len(line) > width and not {"'", '"'} & {*line}:
        cut = width - 1
        while line[cut - 1] == "\\":
            cut -= 1
        parts.append(f"{line[:cut]}\\")
        line = line[cut:]
    return [*parts, line]


def differing_options(engines: Sequence[str], options: Sequence[Mapping[str, Any]]) -> list[str]:
    """For each row its options that differ between the rows of its engine: `threads=1`."""
    rows = list(zip(engines, options, strict=True))
    differing: dict[str, set[str]] = {}
    for engine in dict.fromkeys(engines):
        own = [row for name, row in rows if name == engine]
        names = {name for row in own for name in row}
        differing[engine] = {name for name in names if len({str(r.get(name)) for r in own}) > 1}
    return [
        " ".join(f"{name}={row[name]}" for name in sorted(row) if name in differing[engine])
        for engine, row in rows
    ]


def third_party_lines(rows: Iterable[tuple[str | None, str | None]]) -> list[str]:
    """A line for each origin among (origin, licence) of rows; none where all were measured here."""
    sources = {(origin, licence or "not stated") for origin, licence in rows if origin}
    return [f"third-party: {origin}, licence {licence}" for origin, licence in sorted(sources)]


def warn(text: str) -> None:
    """A note on standard error; nothing for an empty one."""
    if text:
        say(f"note: {text}")


def say(text: str) -> None:
    """A line on standard error: one line in a file or a pipe, broken between words at the width of
    a terminal."""
    _Screen(sys.stderr).print(text, soft_wrap=not sys.stderr.isatty())
    sys.stderr.flush()


def print_json(value: Any) -> None:
    """A value as indented JSON on standard output; what would not show is written as `\\u009b`."""
    _write_json(msgspec.json.format(msgspec.json.encode(value), indent=2))


def print_json_line(value: Any) -> None:
    """A value as one line of JSON on standard output, at once."""
    _write_json(msgspec.json.encode(value))
    sys.stdout.flush()


def _write_json(encoded: bytes) -> None:
    plain = not (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    sys.stdout.write(visible_json(encoded.decode(), plain) + "\n")
