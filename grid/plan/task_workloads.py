"""Task workloads of a sweep: of prepared item sets, and of the classes of a source."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from grid.cells.texts import ITEMS, read_items, task_classes
from grid.cells.workload import Tasks
from grid.errors import InputError, did_you_mean
from grid.plan.item_facts import ItemFacts, item_facts
from grid.plan.sweep import DEFAULT_ITEMS, Sweep
from grid.plan.task_requests import PreparedTasks, TaskSet


class TaskWorkloads:
    """The tasks of one sweep. Items are read when first wanted.

    `facts` are by the hash of the item set, of those read so far.
    """

    def __init__(self, sweep: Sweep, prepared: PreparedTasks) -> None:
        self._sweep = sweep
        self._table = sweep.tasks
        self._prepared = prepared
        self.facts: dict[str, ItemFacts] = {}

    def of_model(self, bundled: bool, has_template: bool) -> tuple[Tasks, ...]:
        """What a model is asked: bundled, of the bundled family; with a chat template, or not.

        Bundled items are asked of other models only where the sweep names them: what a real model
        scores on puzzles for very small ones says nothing of it. Raises InputError for items that
        cannot be used.
        """
        if "tasks" not in self._sweep.measures:
            return ()
        prepared = tuple(self._of_set(task, has_template) for task in self._prepared.task_sets)
        table = self._table
        named = bool(table.source or table.classes)
        default = bundled and not table.names and not table.files
        return prepared + (self._of_source if named or default else ())

    def _of_set(self, task_set: TaskSet, has_template: bool) -> Tasks:
        chat = self._table.chat if task_set.chat is None else task_set.chat
        return self._tasks(
            task_set.folder,
            task_set.name,
            task_set.limit,
            task_class=task_set.task_class,
            chat=has_template if chat is None else chat,
        )

    @cached_property
    def _of_source(self) -> tuple[Tasks, ...]:
        """One workload for each class, by the chat template only where the sweep says so."""
        source, place = self._table.source or ITEMS, f"{self._sweep.file}: tasks"
        try:
            classes = task_classes(source, Path(self._sweep.base))
            for name in self._table.classes:
                if name not in classes:
                    hint = did_you_mean(name, classes)
                    raise InputError(f"{place}.classes: unknown task class {name!r}. {hint}")
            limit, chat = self._table.items or DEFAULT_ITEMS, bool(self._table.chat)
            names = self._table.classes or classes
            return tuple(self._tasks(source, name, limit, chat=chat) for name in names)
        except InputError as error:
            if str(error).startswith(place):
                raise
            raise InputError(f"{place}.source: {error}") from None

    def _tasks(
        self, source: str, name: str, limit: int, *, task_class: str = "", chat: bool
    ) -> Tasks:
        items = read_items(source, name, Path(self._sweep.base))
        limit = min(limit, len(items.items))
        self.facts[items.sha256] = item_facts(items.items[:limit])
        if not task_class:  # the class is the task
            return Tasks(name, items.source, items.sha256, limit, chat=chat)
        return Tasks(task_class, items.source, items.sha256, limit, name, chat)
