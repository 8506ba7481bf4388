"""The plans of all profiles of nodes as one set of cells, each with the profiles that may run it.
Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from msgspec.structs import replace

from grid.cells.cell import Cell
from grid.cells.workload import Quality, kind
from grid.plan.estimate import cell_seconds, making_seconds, start_seconds
from grid.plan.order import Session, sessions
from grid.plan.plan import Plan, Skip
from grid.sweep.dispatch.work import Costs, Work


class MergedPlan:
    """Cells by id, as each profile (a hardware class whose backends compute alike) would run them.

    Speed cells belong to one hardware class. A quality cell is one cell wherever it runs, though
    options that change speed only, such as threads, are each profile's own.
    """

    def __init__(self) -> None:
        self.plans: dict[str, Plan] = {}
        self._variants: dict[str, dict[str, Cell]] = {}
        self._order: dict[str, int] = {}

    def add(self, profile: str, plan: Plan) -> list[Work]:
        """Take the plan of a profile; returns what is new: cells, or further places for them."""
        self.plans[profile] = plan
        superseded = self._superseded_ids()
        cells = [cell for cell in plan.cells if cell.id not in superseded]
        for cell in cells:
            self._variants.setdefault(cell.id, {})[profile] = cell
            self._order.setdefault(cell.id, len(self._order))
        return [self._work(cell.id) for cell in cells]

    def all_work(self) -> list[Work]:
        """All cells to run, in the order of the plans."""
        superseded = self._superseded_ids()  # a plan that came after may have what is compared
        self._variants = {
            cell_id: variants
            for cell_id, variants in self._variants.items()
            if cell_id not in superseded
        }
        return [self._work(cell_id) for cell_id in self._variants]

    def remove_finished(self, finished: Mapping[str, Container[str]]) -> None:
        """Take out cells that have a result since the plans were made, by profile."""
        done = {
            cell.id
            for profile, plan in self.plans.items()
            for cell in plan.cells
            if not cell.exclusive and cell.id in finished[profile]
        }
        for profile, plan in self.plans.items():
            ids = {cell.id for cell in plan.cells}
            gone = {cell_id for cell_id in ids if cell_id in done or cell_id in finished[profile]}
            self.plans[profile] = plan.without_finished(gone)
            for cell_id in gone:
                self._variants.get(cell_id, {}).pop(profile, None)
        self._variants = {
            cell_id: variants for cell_id, variants in self._variants.items() if variants
        }

    def _superseded_ids(self) -> set[str]:
        """Ids of quality cells that are compared with nothing, because their node has no room for
        the 16-bit model, where another node compares or has compared the same."""
        return {
            replace(cell, workload=replace(cell.workload, reference=None)).id
            for plan in self.plans.values()
            for cell in (*plan.cells, *plan.measured)
            if isinstance(cell.workload, Quality) and cell.workload.reference is not None
        }

    @property
    def cell_count(self) -> int:
        """How many cells there are to run."""
        return len(self._variants)

    def cell(self, cell_id: str, profile: str | None = None) -> Cell:
        """A cell as a profile runs it, or as the first that can."""
        variants = self._variants[cell_id]
        return variants[profile] if profile else next(iter(variants.values()))

    def read_cells(self) -> list[Cell]:
        """Cells that together read all that the merged plan reads: its own, and those that give the
        distributions which they compare with."""
        references = [cell for plan in self.plans.values() for cell in plan.references.values()]
        return [*references, *map(self.cell, self._variants)]

    def profile_of(self, cell_id: str) -> str:
        """The first profile that can run a cell."""
        return next(iter(self._variants[cell_id]))

    def modelled_s(self) -> float:
        """Seconds of computing in all, each cell where it was planned first."""
        return sum(
            cell_seconds(self.plans[profile], variants[profile])
            for variants in self._variants.values()
            for profile in list(variants)[:1]
        )

    def unrunnable_skips(self) -> list[tuple[Skip, str]]:
        """Cells that no profile can run, each once, with a profile that skipped it."""
        skips: dict[str, tuple[Skip, str]] = {}
        measured = {cell.id for plan in self.plans.values() for cell in plan.measured}
        for profile, plan in self.plans.items():
            for skip in plan.skipped:
                if skip.cell.id not in self._variants and skip.cell.id not in measured:
                    skips.setdefault(skip.cell.id, (skip, profile))
        return list(skips.values())

    def notes(self) -> list[str]:
        """What to know before it runs, one line each: of the figures, and of the artifacts that are
        not measured at all, where one reason holds for all of their cells."""
        lines = [note for plan in self.plans.values() for note in plan.notes]
        present = {self.cell(cell_id).artifact.id for cell_id in self._variants}
        present |= {cell.artifact.id for plan in self.plans.values() for cell in plan.measured}
        reasons: dict[str, set[str]] = {}
        for skip, _ in self.unrunnable_skips():
            if skip.cell.artifact.id not in present:
                reasons.setdefault(skip.cell.artifact.label, set()).add(skip.reason)
        lines += [
            f"{label} is not measured: {'; '.join(causes)}"
            for label, causes in reasons.items()
            if len(causes) == 1
        ]
        return list(dict.fromkeys(lines))

    def noise_ids(self) -> set[str]:
        """Cells that are asked for a noise floor only."""
        return {cell_id for plan in self.plans.values() for cell_id in plan.noise}

    def measured_cells(self) -> dict[str, Cell]:
        """Cells that have a result from before, by id."""
        return {cell.id: cell for plan in self.plans.values() for cell in plan.measured}

    def measured_count(self) -> int:
        """How many cells have a result from before."""
        return len(self.measured_cells())

    def optional_count(self) -> int:
        """How many of the cells to run are skipped where the sweep is decided before."""
        optional = {cell.id for plan in self.plans.values() for cell in plan.optional}
        return len(optional & self._variants.keys())

    def sessions(self, profile: str, cell_ids: Iterable[str]) -> tuple[Session, ...]:
        """Cells as a profile runs them, grouped by what shares one loaded engine."""
        cells = [self._variants[cell_id][profile] for cell_id in cell_ids]
        plan = self.plans[profile]
        return sessions(cells, plan.references, plan.noise)

    def larger(self, failed: Cell, profile: str, waiting: Iterable[str]) -> list[str]:
        """Those of the waiting cells that would run out of memory as `failed` did on a node of the
        profile: of its engine, kind and place, and no smaller."""
        if not failed.exclusive:
            return []  # another node may have more
        return [
            cell_id
            for cell_id in waiting
            if profile in self._variants[cell_id]
            and _at_least_as_large(self.cell(cell_id, profile), failed)
        ]

    def costs(self) -> Costs:
        """What loading an engine and making an artifact take, as the plans estimate it."""
        loads: dict[tuple[str, str], float] = {}
        makes: dict[tuple[str, str], float] = {}
        for profile, plan in self.plans.items():
            for session in plan.sessions:
                key = (session.cells[0].engine, profile)
                loads[key] = max(loads.get(key, 0.0), start_seconds(plan, session))
            for artifact_id, seconds in making_seconds(plan).items():
                makes[artifact_id, profile] = seconds
        return Costs(loads=loads, makes=makes)

    def _work(self, cell_id: str) -> Work:
        variants = self._variants[cell_id]
        first = next(iter(variants.values()))
        return Work(
            cell_id=cell_id,
            engine=first.engine,
            artifact=first.artifact.id,
            exclusive=first.exclusive,
            seconds={name: cell_seconds(self.plans[name], cell) for name, cell in variants.items()},
            host_bytes=max(self.plans[name].host_bytes[cell_id] for name in variants),
            device_bytes=max(self.plans[name].device_bytes[cell_id] for name in variants),
            rank=(self._order[cell_id],),
        )


def _at_least_as_large(cell: Cell, failed: Cell) -> bool:
    return (
        cell.exclusive
        and cell.engine == failed.engine
        and cell.scope == failed.scope
        and kind(cell.workload) == kind(failed.workload)
        and cell.workload.size >= failed.workload.size > 0
    )
