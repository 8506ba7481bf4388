"""Which tasks a sweep asks for, by name: those it names, and those of the ready sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from grid.cells.task_catalog import MT_BENCH, TASKS, class_of, task_sets
from grid.cells.texts import RETRIEVAL_TASK
from grid.plan.sweep import DEFAULT_ITEMS, TasksTable

OWN_TASKS = (RETRIEVAL_TASK, MT_BENCH)
"""Names of tasks that the harness does not have."""


class TaskRequest(NamedTuple):
    """A task of the harness: its name, the most items, and the ready set that it is asked with
    (empty where the sweep names it)."""

    name: str
    items: int
    ready_set: str = ""


class TaskSet(msgspec.Struct, frozen=True, kw_only=True):
    """Items that were prepared: `folder` holds `<name>.jsonl`.

    `chat` True asks by the chat template only, False never, None where the model has one. `note`
    says what a reader of its figures should know.
    """

    name: str
    task_class: str
    folder: str
    limit: int
    chat: bool | None = None
    note: str = ""


class PreparedTasks(NamedTuple):
    """The item sets of a sweep, and what was left out and why."""

    task_sets: tuple[TaskSet, ...] = ()
    notes: tuple[str, ...] = ()


NO_PREPARED_TASKS = PreparedTasks()


def requested_tasks(table: TasksTable) -> list[TaskRequest]:
    """The tasks that `names` stands for; one that is named itself counts, not the set that has it
    too."""
    sets = task_sets()
    requests = {
        name: TaskRequest(name, table.items or DEFAULT_ITEMS)
        for name in table.names
        if name not in sets and name not in OWN_TASKS
    }
    for ready_set in table.names:
        for name, items in sets.get(ready_set, {}).items():
            requests.setdefault(name, TaskRequest(name, table.items or items, ready_set))
    return list(requests.values())


def task_class(table: TasksTable, names: Sequence[str], own: str = "") -> str:
    """The class of a task called by the first of the names that says it: as the sweep has it, as
    its file has it (`own`), as the catalog has it."""
    for name in names:
        if name in table.class_by_task:
            return table.class_by_task[name]
    return own or class_of(next((name for name in names if name in TASKS), names[0]))
