"""What the items of tasks can tell, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from grid.cells.cell import Cell
from grid.cells.texts import RETRIEVAL
from grid.cells.workload import Tasks
from grid.results.statistics import DISCORDANT, resolvable_difference

METHOD = (
    f"smallest difference in accuracy between two variants that the items can tell: exact McNemar "
    f"test at 5 %, if {100 * DISCORDANT:.0f} % of the items turn"
)


def points(items: int) -> str:
    """The resolvable difference of so many items in points of accuracy, `too few` without any."""
    difference = resolvable_difference(items)
    if difference is None:
        return "too few"
    return f"{100 * difference:.1f}"


def task_items(cells: Iterable[Cell]) -> dict[str, int]:
    """Items by task, in the order of the cells; not of retrieval, whose scores do not turn."""
    items: dict[str, int] = {}
    for cell in cells:
        if isinstance(cell.workload, Tasks) and cell.workload.source != RETRIEVAL:
            items.setdefault(cell.workload.name, cell.workload.whole.limit)
    return items


def resolution_line(items: Mapping[str, int]) -> str:
    """What tasks with so many items tell, one by one and together; empty without tasks."""
    if not items:
        return ""
    parts = [f"{name} {points(count)} of {count}" for name, count in items.items()]
    if len(items) > 1:
        total = sum(items.values())
        parts.append(f"together {points(total)} of {total}")
    return f"{METHOD}; in points, of items: {', '.join(parts)}"


def resolutions(items: Mapping[str, int]) -> dict[str, dict[str, float | None]]:
    """The same for JSON: items and the resolvable difference, a share, by task."""
    return {
        name: {"items": count, "resolves": resolvable_difference(count)}
        for name, count in items.items()
    }
