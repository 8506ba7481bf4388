"""Tables that fit: what a narrow terminal shows of their columns, and how wide each is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from grid.models.display_names import (
    ELLIPSIS,
    least_distinct_width,
    shorten_distinct,
    visible,
)

GAP = 2
"""Blanks between two columns."""

LEAST_NAME, COMFORTABLE_NAME = 16, 28
LEAST_TEXT, COMFORTABLE_TEXT = 16, 28
LONGEST_WORD = 18
"""Longer words of a text may be broken."""
FOLDED_NAME = 10

NO_FIGURE = ("", "-")
"""Cells of a column that has nothing to say."""

_GLUE = "\ue000"
_UNIT = r"(?:[KMGT]iB|[kMGT]?B|ms|s|min|h|%|bits?|token/s|GB/s|TFLOP/s)(?![\w/])"
_KEPT_TOGETHER = re.compile(
    rf"(?<=\d) (?=\[)|(?<=\d) (?={_UNIT})|(?<=\d,) (?=[-\d][\d.,e+-]*\])"
    r"|(?<=\w) (?=\d[\d.]*(?:[,;)]|$))"
)


def glue(text: str, width: int) -> str:
    """The text with its blanks inside a figure, `812 [801, 823]` or `1.5 GiB`, as a character that
    no line breaks at; of figures that a line of `width` cells has room for."""
    return " ".join(
        word if cell_len(word) <= width else unglue(word)
        for word in _KEPT_TOGETHER.sub(_GLUE, text).split(" ")
    )


def unglue(text: str) -> str:
    """The text with blanks again."""
    return text.replace(_GLUE, " ")


@dataclass(frozen=True)
class _Column:
    """A column as it may be laid out; widths are in cells of a terminal."""

    place: int
    head: str
    cells: tuple[str, ...]
    kind: str
    """`number`, `text` (may go over several lines), `name` (may be cut) or `word`."""
    natural: int
    least: int
    """Width below which the column cannot be read."""
    comfortable: int
    width: int = 0
    mark: str = field(default=ELLIPSIS, repr=False)

    def lines_of_head(self) -> str:
        """The head, broken between words where it is wider than the column."""
        lines: list[str] = []
        for word in self.head.split(" "):
            if lines and cell_len(f"{lines[-1]} {word}") <= self.width:
                lines[-1] += f" {word}"
            else:
                lines.append(word)
        return "\n".join(lines)

    def fitted_cells(self) -> Sequence[str]:
        """The cells, of a name too wide its start and its end."""
        if self.kind != "name" or self.natural <= self.width:
            return self.cells
        short = shorten_distinct(self.cells, self.width, cell_len, self.mark)
        return [short[cell] for cell in self.cells]


class FittedTable:
    """A table that decides what it shows when it is printed; see `console.table`."""

    def __init__(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        right: Sequence[int] = (),
        wrap: Sequence[int] = (),
        names: Sequence[int] = (),
        optional: Sequence[int] = (),
        keep_empty: bool = False,
    ) -> None:
        self.heads = columns
        self.rows = rows
        self.kinds = ["word"] * len(columns)
        for kind, places in (("number", right), ("text", wrap), ("name", names)):
            for place in places:
                self.kinds[place] = kind
        self.optional = optional
        self.keep_empty = keep_empty

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns = self._columns(console)
        shown = fit(columns, options.max_width, self.optional, self.keep_empty)
        if shown is None:
            yield from _blocks(columns, console, options)
        else:
            yield _drawn(shown)

    def _columns(self, console: Console) -> list[_Column]:
        texts = [[_shown(cell, console) for cell in row] for row in self.rows]
        mark = ELLIPSIS if console.encoding.startswith("utf") else ".."
        return [
            _column(place, _shown(head, console), tuple(row[place] for row in texts), kind, mark)
            for place, (head, kind) in enumerate(zip(self.heads, self.kinds, strict=True))
        ]


class Pairs:
    """Labels and texts in two columns, the second as wide as there is room."""

    def __init__(self, rows: Sequence[tuple[str, str]]) -> None:
        self.rows = rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        grid = Table.grid(padding=(0, GAP, 0, 0), pad_edge=False)
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        labels = [_shown(label, console) for label, _ in self.rows]
        room = options.max_width - GAP - max(map(cell_len, labels), default=0)
        for label, (_, text) in zip(labels, self.rows, strict=True):
            grid.add_row(Text(label), Text(glue(_shown(text, console), room)))
        yield grid


def fit(
    columns: Sequence[_Column], width: int, optional: Sequence[int], keep_empty: bool = False
) -> list[_Column] | None:
    """The columns that a width has room for, each with its own; None where not even those that
    must stay fit."""
    shown = list(columns)
    if _total(shown, "natural") > width and not keep_empty:
        shown = [c for c in shown if any(cell.strip() not in NO_FIGURE for cell in c.cells)]
    for place in optional:
        if _total(shown, "comfortable") > width:
            shown = [column for column in shown if column.place != place]
    if _total(shown, "least") > width:
        shown = [_foldable(c) if c.kind == "name" else c for c in shown]
    spare = width - _total(shown, "least")
    if spare < 0:
        return None
    widths = _widened(shown, spare)
    return [replace(column, width=widths[column.place]) for column in shown]


def _widened(columns: Sequence[_Column], spare: int) -> dict[int, int]:
    """Widths by place: the least, and what is left cell by cell, names first."""
    widths = {column.place: column.least for column in columns}
    for goal in ("comfortable", "natural"):
        for kind in ("name", "text", "number"):
            growing = [column for column in columns if column.kind == kind]
            while spare > 0 and growing:
                growing = [c for c in growing if widths[c.place] < getattr(c, goal)]
                for column in growing[:spare]:
                    widths[column.place] += 1
                spare -= len(growing[:spare])
    return widths


def _column(place: int, head: str, cells: tuple[str, ...], kind: str, mark: str) -> _Column:
    broad = max(map(cell_len, cells), default=0)
    natural = max(cell_len(head), broad)
    least = comfortable = natural
    if kind == "number":
        least = max(max(map(cell_len, head.split(" "))), broad)
        comfortable = least
    elif kind == "text":
        words = (word for cell in cells for word in cell.split())
        longest = min(max(map(cell_len, words), default=0), LONGEST_WORD)
        least = min(natural, max(LEAST_TEXT, longest, cell_len(head)))
        comfortable = min(natural, max(COMFORTABLE_TEXT, least))
    elif kind == "name":
        start = max(LEAST_NAME, cell_len(head))
        least = min(natural, least_distinct_width({*cells}, start, cell_len, mark))
        comfortable = min(natural, max(COMFORTABLE_NAME, least))
    return _Column(place, head, cells, kind, natural, least, comfortable, mark=mark)


def _foldable(column: _Column) -> _Column:
    """A column of names as one whose cells go over several lines."""
    least = min(column.least, max(FOLDED_NAME, cell_len(column.head)))
    return replace(column, kind="text", least=least, comfortable=column.least)


def _total(columns: Sequence[_Column], width: str) -> int:
    widths: list[int] = [getattr(column, width) for column in columns]
    return sum(widths) + GAP * max(len(columns) - 1, 0)


def _drawn(columns: Sequence[_Column]) -> Table:
    drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, GAP, 0, 0))
    for column in columns:
        drawn.add_column(
            Text(column.lines_of_head()),
            justify="right" if column.kind == "number" else "left",
            no_wrap=column.kind != "text",
            overflow="fold",
            width=column.width,
        )
    for row in zip(*(column.fitted_cells() for column in columns), strict=True):
        drawn.add_row(*(Text(glue(cell, c.width)) for c, cell in zip(columns, row, strict=True)))
    return drawn


def _blocks(columns: Sequence[_Column], console: Console, options: ConsoleOptions) -> RenderResult:
    """Each row as a block of lines, a blank line between two."""
    rows = zip(*(column.cells for column in columns), strict=True)
    for number, row in enumerate(rows):
        if number:
            yield Text("")
        filled = zip(columns, row, strict=True)
        yield Pairs([(c.head, cell) for c, cell in filled if cell.strip() not in NO_FIGURE])


def _shown(text: str, console: Console) -> str:
    """A cell as the terminal can show it."""
    shown = visible(text)
    return shown.encode(console.encoding, "backslashreplace").decode(console.encoding)
