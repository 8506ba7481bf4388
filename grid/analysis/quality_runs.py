"""Quality runs and noise floors, which the variants of a device kind share on every machine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from grid.analysis.main_items import item_set, main_item_sets, task_group
from grid.analysis.main_text import (
    main_tasks,
    of_class,
    on_main_text,
    runs_by_category,
    tasks_of,
)
from grid.analysis.noise_floors import NoiseFloors, noise_runs, reference_of
from grid.analysis.tables import Attempt, ItemRows

QUALITY_MEASURES = ("quality", "tasks")

Place = tuple[str, str, str]
"""artifact id, backend, device kind: what quality is a property of."""

ModelOrigin = tuple[str, str]
"""Model and origin: others may mean other weights by the same name."""


class QualityRuns:
    """Quality runs by (artifact, backend, device kind), with references and noise floors.

    References are (artifact id, backend) by model and origin; `items` are by attempt id.
    """

    def __init__(self, attempts: Sequence[Attempt], items: Mapping[str, ItemRows]) -> None:
        main = on_main_text(attempts)
        noise = noise_runs(main)
        noise_ids = {floor.id for floor in noise_runs(attempts)}
        self.items = items
        self._tasks = main_tasks(attempts)
        self._items = main_item_sets(attempts)
        self.floors = NoiseFloors(main, noise)
        self.references: defaultdict[ModelOrigin, set[tuple[str, str]]] = defaultdict(set)
        self._quality: defaultdict[Place, list[Attempt]] = defaultdict(list)
        self._counted: set[str] = set()
        for attempt in main:
            if attempt.workload.get("reference"):
                self.references[model_and_origin(attempt.row)].add(reference_of(attempt))
            if attempt.measure in QUALITY_MEASURES and attempt.id not in noise_ids:
                self._quality[_place(attempt)].append(attempt)
                self._counted.add(attempt.id)

        self._categories: defaultdict[Place, dict[str, list[Attempt]]] = defaultdict(dict)
        for category, runs in runs_by_category(attempts).items():
            for attempt in runs:
                if attempt.id not in noise_ids:
                    by_category = self._categories[_place(attempt)]
                    by_category.setdefault(category, []).append(attempt)

    def references_of(self, row: Mapping[str, Any]) -> set[tuple[str, str]]:
        """Those of a row's model, measured by whoever measured the row."""
        return self.references.get(model_and_origin(row), set())

    def is_usable(self, attempt: Attempt) -> bool:
        """False for noise runs and for quality runs on another text than the main one."""
        return attempt.measure not in QUALITY_MEASURES or attempt.id in self._counted

    def other_tasks(self, attempt: Attempt) -> str:
        """The tasks by which the attempt's class is compared, if it asked others; else empty."""
        if not attempt.row["origin"]:
            return ""
        main = self._tasks.get(of_class(attempt), "")
        return "" if main == tasks_of(attempt) else main

    def is_on_main_items(self, attempt: Attempt) -> bool:
        """False where most of the model's artifacts were asked other items of the same task."""
        return self._items.get(task_group(attempt), item_set(attempt)) == item_set(attempt)

    def attempts_at(self, place: Place) -> Sequence[Attempt]:
        """Attempts at text quality and tasks."""
        return self._quality.get(place, ())

    def categories_at(self, place: Place) -> Mapping[str, Sequence[Attempt]]:
        """Quality runs by the category of their text, other texts than the main one among them."""
        return self._categories.get(place, {})


def _place(attempt: Attempt) -> Place:
    row = attempt.row
    return row["artifact_id"], row["backend"], row["device_kind"]


def model_and_origin(row: Mapping[str, Any]) -> ModelOrigin:
    return row["model"], row["origin"] or ""
