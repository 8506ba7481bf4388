"""How long a cell may take before its engine is stopped."""

from __future__ import annotations

from pathlib import Path

from grid.cells.cell import Cell
from grid.cells.texts import read_items
from grid.cells.workload import Quality, ServerLoad, Tasks
from grid.hardware.node import Node
from grid.plan.estimate import seconds_of
from grid.plan.item_facts import item_facts
from grid.sweep.events import Settings

SLACK = 10.0
"""Times the estimate: it is coarse, and a busy machine is slower. The limit is for what hangs."""


def time_limit_s(cell: Cell, node: Node, settings: Settings, weights: Path) -> float:
    """The sweep's limit; where that is the default, `SLACK` times the estimate of tasks and texts
    that take longer: 1,000 items of a large model are no hang. `cell` is a localised one."""
    if not settings.extends_timeout:
        return settings.cell_timeout_s
    match cell.workload:
        case Tasks() as workload:
            facts = item_facts(read_items(workload.source, workload.name).items[: workload.limit])
            read, written = facts.read, facts.written
        case Quality(context=context, chunks=chunks):
            read, written = context * chunks, 0
        case ServerLoad() as workload:
            return max(settings.cell_timeout_s, workload.most_seconds)
        case _:
            return settings.cell_timeout_s
    estimate_s = seconds_of(node, cell.artifact, _bytes(weights), read, written)
    return max(settings.cell_timeout_s, SLACK * estimate_s)


def _bytes(weights: Path) -> int:
    files = weights.rglob("*") if weights.is_dir() else (weights,)
    return sum(file.stat().st_size for file in files if file.is_file())
