"""Runs a sweep that stops when it is decided: which cells wait, and which are not needed any more.

Cells come in stages (`grid.plan.parts`). Where all of a stage have ended, what was measured says
which variants are beaten and of which more chunks or items still decide something
(`grid.results.racing`); of the next stage the others' cells are skipped, with the reason.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import NamedTuple

from grid.cells.cell import Cell
from grid.cells.measurement import Measurement
from grid.cells.workload import Quality
from grid.plan.parts import most_looks, stages
from grid.plan.planned_variants import PlannedVariant, variants_of
from grid.results.racing import Decision, decide
from grid.results.racing.contender import Contender
from grid.results.racing.evidence import (
    Evidence,
    comparison_key,
    contender,
    evidence_of,
    total_of,
)
from grid.sweep.dispatch.work import Work
from grid.sweep.merged_plan import MergedPlan

NOT_NEEDED = "not needed: "
"""Beginning of the reason of a cell that a sweep skipped because it was decided."""


class NextStage(NamedTuple):
    """Cells that are to run now, and those that are not needed, each with the reason."""

    works: tuple[Work, ...]
    dropped: Mapping[str, str]


class Race:
    """The stages of one sweep's cells."""

    def __init__(self, merged_plan: MergedPlan) -> None:
        self._plan = merged_plan
        self._stage = 0
        self._stages: dict[str, int] = {}
        self._held: dict[str, Work] = {}
        self._evidence: dict[str, Evidence] = {}
        self._beaten: dict[str, dict[str, str]] = {}
        self._dropped: set[str] = set()

    @property
    def is_waiting(self) -> bool:
        """Whether cells wait for a stage to end."""
        return bool(self._held)

    def admit(self, works: Sequence[Work]) -> list[Work]:
        """Those that are to run now; later ones are held until `advance`."""
        self._stages = self._all_stages()
        for work in works:
            if self._stages[work.cell_id] > self._stage:
                self._held[work.cell_id] = work
        return [work for work in works if work.cell_id not in self._held]

    def record(self, cell: Cell, measurement: Measurement) -> None:
        """An attempt ended, now or in an earlier sweep."""
        if measurement.status == "ok":
            evidence = evidence_of(cell, measurement)
            if evidence is not None:
                self._evidence[cell.id] = evidence

    def advance(self, unfinished: Container[str]) -> NextStage:
        """The next stage, now that all admitted cells have ended; those of the held cells that are
        not among the `unfinished` ended otherwise."""
        self._held = {key: work for key, work in self._held.items() if key in unfinished}
        self._stage += 1
        needed, reasons = self._decide()
        dropped = {key: reasons[key] for key in self._held if key not in needed}
        self._dropped |= dropped.keys()
        works = tuple(
            work
            for key, work in self._held.items()
            if key in needed and self._stages[key] <= self._stage
        )
        for key in (*dropped, *(work.cell_id for work in works)):
            del self._held[key]
        return NextStage(works, dropped)

    def _all_stages(self) -> dict[str, int]:
        cells = {cell.id: cell for cells in self._cells().values() for cell in cells}
        return stages(list(cells.values()))

    def _cells(self) -> dict[str, list[Cell]]:
        """By profile the cells that are measured or to be."""
        return {
            profile: [*plan.measured, *plan.cells] for profile, plan in self._plan.plans.items()
        }

    def _decide(self) -> tuple[set[str], dict[str, str]]:
        """Ids of all cells that some variant still needs, and of the others the reasons."""
        needed: set[str] = set()
        reasons: dict[str, str] = {}
        for profile, cells in self._cells().items():
            plan = self._plan.plans[profile]
            noise = [cell for cell in cells if cell.id in plan.noise]
            raced = [cell for cell in cells if cell.id not in plan.noise]
            own = self._reasons(profile, raced) | self._noise_reasons(noise)
            own_needed = [cell for cell in cells if cell.id not in own]
            own_needed += reference_cells(own_needed, raced, plan.references)
            needed |= {cell.id for cell in own_needed}
            reasons = own | reasons
        return needed, reasons

    def _reasons(self, profile: str, cells: Sequence[Cell]) -> dict[str, str]:
        """By id of the cells that no variant of a profile needs, why."""
        variants = variants_of(cells)
        contenders = self._contenders(self._plan.plans[profile].weight_bytes, variants)
        totals = {comparison_key(cell): total_of(cell) for cell in cells}
        before = self._beaten.setdefault(profile, {})
        decision = decide(contenders, totals, most_looks(cells), before)
        before |= decision.beaten
        counts = _counts(contenders)
        labels = {variant.name: variant.label for variant in variants}
        needed: set[str] = set()
        reasons: dict[str, str] = {}
        for variant in variants:
            for cell in variant.cells:
                reason = _why_not_needed(cell, variant.name, decision, labels, counts)
                if reason:
                    reasons.setdefault(cell.id, NOT_NEEDED + reason)
                else:
                    needed.add(cell.id)
        return {cell_id: why for cell_id, why in reasons.items() if cell_id not in needed}

    def _noise_reasons(self, noise: Sequence[Cell]) -> dict[str, str]:
        """Of a noise floor its first part is enough."""
        probes = {
            comparison_key(cell): cell.workload
            for cell in noise
            if cell.id in self._evidence and self._stages[cell.id] < self._stage
        }
        return {
            cell.id: f"{NOT_NEEDED}{probes[comparison_key(cell)].label} gives the noise floor"
            for cell in noise
            if comparison_key(cell) in probes and self._stages[cell.id] >= self._stage
        }

    def _contenders(
        self, weight_bytes: Mapping[str, int], variants: Iterable[PlannedVariant]
    ) -> list[Contender]:
        contenders = []
        for variant in variants:
            measured = self._measured(variant.cells)
            if measured:
                size = weight_bytes[measured[0][0].artifact.id]
                tried = [
                    cell
                    for cell in variant.cells
                    if self._stages[cell.id] < self._stage and cell.id not in self._dropped
                ]
                contenders.append(contender(variant.name, variant.label, size, measured, tried))
        return contenders

    def _measured(self, cells: Iterable[Cell]) -> list[tuple[Cell, Evidence]]:
        """Cells with their evidence. Those of later stages, measured in an earlier sweep, count
        only for a text or task of which there is no part: so what is decided is the same again."""
        pairs = [(cell, self._evidence[cell.id]) for cell in cells if cell.id in self._evidence]
        of_stage = [pair for pair in pairs if self._stages[pair[0].id] < self._stage]
        keys = {comparison_key(cell) for cell, _ in of_stage}
        return of_stage + [
            (cell, evidence)
            for cell, evidence in pairs
            if self._stages[cell.id] >= self._stage
            and total_of(cell)
            and comparison_key(cell) not in keys
        ]


def reference_cells(
    needed: Iterable[Cell], cells: Iterable[Cell], references: Mapping[str, Cell]
) -> list[Cell]:
    """The 16 bits' own cells of the texts that the needed cells compare with them: their pass makes
    the distribution in any case."""
    own = {(c.engine, c.workload): c for c in cells if isinstance(c.workload, Quality)}
    keys = {
        (references[workload.reference].engine, workload): None
        for cell in needed
        if isinstance(workload := cell.workload, Quality) and workload.reference is not None
    }
    return [own[key] for key in keys if key in own]


def _counts(contenders: Iterable[Contender]) -> dict[tuple[str, str], int]:
    """Chunks and items that were measured, by variant and text or task."""
    counts: dict[tuple[str, str], int] = {}
    for variant in contenders:
        counts |= {(variant.id, text): len(chunks) for text, chunks in variant.texts.items()}
        counts |= {(variant.id, task): len(a.gains) for task, a in variant.tasks.items()}
    return counts


def _why_not_needed(
    cell: Cell,
    variant: str,
    decision: Decision,
    labels: Mapping[str, str],
    counts: Mapping[tuple[str, str], int],
) -> str:
    """Empty where it is needed. That is also a text or task of which nothing was measured: what
    went wrong with a part may go well with the whole."""
    if variant in decision.beaten:
        winner = labels[decision.beaten[variant]]
        return f"{winner} is as good, as small and as fast, and surely better in one of them"
    count = counts.get((variant, comparison_key(cell)), 0)
    if isinstance(cell.workload, Quality):
        undecided, unit = decision.texts, "chunks"
    else:
        undecided, unit = decision.tasks, "items"
    if not count or not total_of(cell) or variant in undecided:
        return ""
    return f"the first {count} of {total_of(cell)} {unit} say how it compares"
