"""What the variants of a device kind share, whatever machine they run on: quality, noise floors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from grid.analysis.floors import Floors, noise_runs, reference_of
from grid.analysis.tables import Attempt, ItemRows
from grid.analysis.texts import on_main_text

QUALITY = ("quality", "tasks")

Place = tuple[str, str, str]
"""artifact id, backend, device kind: what quality is a property of."""


class Ground:
    """Of attempts that count: which of the quality runs do, by place; by model the references
    (artifact id, backend) that they are compared with; and the noise floors."""

    def __init__(self, attempts: Sequence[Attempt], items: Mapping[str, ItemRows]) -> None:
        main = on_main_text(attempts)
        noise = noise_runs(main)
        apart = {floor.id for floor in noise}
        self.items = items
        self.floors = Floors(main, noise)
        self.references: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
        self._quality: defaultdict[Place, list[Attempt]] = defaultdict(list)
        self._counted: set[str] = set()
        for attempt in main:
            if attempt.workload.get("reference"):
                self.references[attempt.row["model"]].add(reference_of(attempt))
            if attempt.measure in QUALITY and attempt.id not in apart:
                row = attempt.row
                self._quality[row["artifact_id"], row["backend"], row["device_kind"]].append(
                    attempt
                )
                self._counted.add(attempt.id)

    def counts(self, attempt: Attempt) -> bool:
        """Whether a variant may be made of the attempt: no noise floor, no other text."""
        return attempt.measure not in QUALITY or attempt.id in self._counted

    def quality(self, place: Place) -> Sequence[Attempt]:
        """Attempts at text quality and tasks."""
        return self._quality.get(place, ())
