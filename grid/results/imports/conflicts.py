"""Rows that give one cell different figures: in a file, between files, and with a store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from grid.results.rows import Row, Rows

_MOST_CELLS = 10
"""Cells with different figures that are named one by one."""

_MOST_ROWS = 3


class CellRow(NamedTuple):
    """An attempt at a cell, with its figures as (name, value, unit) in the order of the rows."""

    attempt: Row
    figures: tuple[tuple[str, float | None, str], ...]

    @property
    def first(self) -> str:
        """The first figure, with the build that it is of."""
        build = self.attempt.get("engine_version")
        _, value, unit = self.figures[0]
        figure = "none" if value is None else f"{value:.6g} {unit}".removesuffix(" 1")
        return figure + (f" of build {build}" if build else "")

    @property
    def place(self) -> str:
        """Where it stood, as far as the row says it."""
        environment = dict(self.attempt.get("environment") or {})
        return str(environment.get("place") or "in the store")


def cell_rows(rows: Rows | Mapping[str, Sequence[Mapping[str, Any]]]) -> list[CellRow]:
    """The attempts of rows that have figures."""
    figures: defaultdict[str, list[tuple[str, float | None, str]]] = defaultdict(list)
    for metric in rows.get("metrics", ()):
        figures[metric["attempt_id"]].append((metric["name"], metric["value"], metric["unit"]))
    return [
        CellRow(dict(attempt), tuple(figures[attempt["attempt_id"]]))
        for attempt in rows.get("attempts", ())
        if figures.get(attempt["attempt_id"])
    ]


def different_figures(rows: Iterable[CellRow]) -> Iterator[str]:
    """A line for each cell to which rows give different figures, and which of them counts: the
    newest, else that of the greater id, as readers of a store take it."""
    cells: defaultdict[str, dict[str, CellRow]] = defaultdict(dict)
    for row in rows:
        cells[row.attempt["cell_id"]][row.attempt["attempt_id"]] = row
    groups = [list(group.values()) for group in cells.values() if _differ(group.values())]
    for group in groups[:_MOST_CELLS]:
        yield _difference(group)
    if len(groups) > _MOST_CELLS:
        yield f"{len(groups) - _MOST_CELLS} more cells have rows with different figures"


def _differ(group: Iterable[CellRow]) -> bool:
    return len({frozenset(row.figures) for row in group}) > 1


def _difference(group: Sequence[CellRow]) -> str:
    newest = max(group, key=lambda row: (_time(row.attempt), row.attempt["attempt_id"]))
    figures = "; ".join(f"{row.place}: {row.first}" for row in group[:_MOST_ROWS])
    beyond = f"; and {len(group) - _MOST_ROWS} more" if len(group) > _MOST_ROWS else ""
    title = " ".join(str(group[0].attempt[name]) for name in ("model", "quant", "label"))
    return (
        f"{title} was measured {len(group)} times with different figures ({figures}{beyond}); "
        f"all are kept, and the newest is used: {newest.first}"
    )


def _time(attempt: Row) -> float:
    at = attempt.get("started_at")
    return at.timestamp() if isinstance(at, datetime) else 0.0
