"""The items by which a model's variants are compared where a task was asked with several sets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from grid.analysis.tables import Attempt

ItemSet = tuple[str, int, bool]
"""sha256 of the items, how many were asked for, and whether by the chat template. A run of the
first of them, where a sweep stopped when it was decided, is of the same set as one of all."""

TaskGroup = tuple[str, str, str, str]
"""Model, device kind, origin, and the task with its class."""


def main_item_sets(attempts: Sequence[Attempt]) -> dict[TaskGroup, ItemSet]:
    """Of each model and task the items that most of the model's artifacts were asked, then the ones
    that most of all artifacts were, then the newest: 100 items are not 1,000, and a question put by
    a chat template is another one than the same put plainly."""
    artifacts: defaultdict[tuple[TaskGroup, ItemSet], set[str]] = defaultdict(set)
    overall: defaultdict[ItemSet, set[str]] = defaultdict(set)
    groups: defaultdict[TaskGroup, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        if attempt.measure == "tasks":
            group, items = task_group(attempt), item_set(attempt)
            artifacts[group, items].add(attempt.row["artifact_id"])
            overall[items].add(attempt.row["artifact_id"])
            groups[group].append(attempt)
    return {
        group: item_set(
            max(
                mine,
                key=lambda a: (
                    len(artifacts[task_group(a), item_set(a)]),
                    len(overall[item_set(a)]),
                    a.newness,
                ),
            )
        )
        for group, mine in groups.items()
    }


def task_group(attempt: Attempt) -> TaskGroup:
    workload, row = attempt.workload, attempt.row
    task = f"{workload.get('task_class', '')} {workload.get('task') or ''}"
    return row["model"], row["device_kind"], row["origin"] or "", task


def item_set(attempt: Attempt) -> ItemSet:
    workload = attempt.workload
    return (
        str(workload.get("items_sha256") or ""),
        workload.get("part_of") or workload.get("limit") or 0,
        bool(workload.get("chat")),
    )
