"""Tables that fit: what a narrow terminal shows of their columns, and how wide each is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from rich.cells import cell_len, chop_cells
from rich.console import Console, ConsoleOptions, RenderResult
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
_UNIT = r"(?:[KMGT]iB|[kMGT]?B|ms|s|min|h|%|bits?|nat|token/s|GB/s|TFLOP/s)(?![\w/])"
_KEPT_TOGETHER = re.compile(
    rf"(?<=\d) (?=\[)|(?<=[\d\]]) (?={_UNIT})|(?<=\d,) (?=[-\d][\d.,e+-]*\])"
    r"|(?<=\d) (?=to [-+]?\d)|(?<=\d to) (?=[-+]?\d)"
)
_BESIDE_NAME = re.compile(r"(?<=\w) (?=\d[\d.,]*(?:[,;)](?!\d)|$|[ \ue000]\[))")

_AFTER_HYPHEN = re.compile(r"(?<=[-_/])(?=[^\W\d])")
"""A number alone on a line would look like a figure."""


def glue(text: str, width: int) -> str:
    """The text with its blanks inside a figure, `812 [801, 823]`, `2 to 3` or `1.5 GiB`, as a
    character that no line breaks at, and where a line of `width` cells has room for it that before
    a figure; of figures that the line has room for."""
    figures = _KEPT_TOGETHER.sub(_GLUE, text)
    with_names = _BESIDE_NAME.sub(_GLUE, figures).split(" ")
    return " ".join(_glued_word(word, width) for word in with_names)


def _glued_word(word: str, width: int) -> str:
    if cell_len(word) <= width:
        return word
    figures = _KEPT_TOGETHER.sub(_GLUE, unglue(word)).split(" ")
    return " ".join(part if cell_len(part) <= width else unglue(part) for part in figures)


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
        labels = tuple(_shown(label, console) for label, _ in self.rows)
        texts = tuple(_shown(text, console) for _, text in self.rows)
        first = _column(0, "", labels, "word", "")
        second = _column(1, "", texts, "text", "")
        room = max(options.max_width - GAP - first.natural, 1)
        columns = [replace(first, width=first.natural), replace(second, width=room)]
        yield _drawn(columns, with_head=False)


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
        longest = max((_unbroken(word) for cell in cells for word in _words(cell)), default=0)
        least = min(natural, max(LEAST_TEXT, longest, cell_len(head)))
        comfortable = min(natural, max(COMFORTABLE_TEXT, least))
    elif kind == "name":
        start = max(LEAST_NAME, cell_len(head))
        least = min(natural, least_distinct_width({*cells}, start, cell_len, mark))
        comfortable = min(natural, max(COMFORTABLE_NAME, least))
    return _Column(place, head, cells, kind, natural, least, comfortable, mark=mark)


def _words(text: str) -> list[str]:
    return _KEPT_TOGETHER.sub(_GLUE, text).split()


def _unbroken(word: str) -> int:
    """Width that a word must have: all of a figure's."""
    return cell_len(word) if _GLUE in word else min(cell_len(word), LONGEST_WORD)


def _foldable(column: _Column) -> _Column:
    """A column of names as one whose cells go over several lines."""
    least = min(column.least, max(FOLDED_NAME, cell_len(column.head)))
    return replace(column, kind="text", least=least, comfortable=column.least)


def _total(columns: Sequence[_Column], width: str) -> int:
    widths: list[int] = [getattr(column, width) for column in columns]
    return sum(widths) + GAP * max(len(columns) - 1, 0)


def _drawn(columns: Sequence[_Column], with_head: bool = True) -> Text:
    """The columns side by side, each cell over as many lines as it needs."""
    cells = [
        [_wrapped(cell, c.width) if c.kind == "text" else [cell] for cell in c.fitted_cells()]
        for c in columns
    ]
    lines = [line for row in zip(*cells, strict=True) for line in _side_by_side(columns, row)]
    head = _side_by_side(columns, [_wrapped(c.head, c.width) for c in columns]) if with_head else []
    text = Text("\n".join([*head, *lines]), no_wrap=True)
    text.stylize("bold", 0, len("\n".join(head)))
    return text


def _side_by_side(columns: Sequence[_Column], cells: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a row of cells, of which each has its own lines."""
    lines = []
    for place in range(max(map(len, cells), default=0)):
        line = ""
        for column, texts in zip(columns, cells, strict=True):
            text = texts[place] if place < len(texts) else ""
            blanks = " " * (column.width - cell_len(text))
            line += (blanks + text if column.kind == "number" else text + blanks) + " " * GAP
        lines.append(line.rstrip())
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most `width`, broken between words, and in a longer word after its
    hyphens."""
    if cell_len(text) <= width:
        return [text]
    lines = [""]
    for word in glue(text, width).split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_len(longer) <= width:
            lines[-1] = longer
        else:
            lines += _parts_of_word(word, width)
    return [unglue(line) for line in lines if line]


def _parts_of_word(word: str, width: int) -> list[str]:
    """A word in parts of at most `width`, cut after hyphens where each part has room."""
    parts = [""]
    for piece in _AFTER_HYPHEN.split(word):
        if cell_len(parts[-1] + piece) <= width:
            parts[-1] += piece
        else:
            parts += chop_cells(piece, width)
    return [part for part in parts if part]


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
