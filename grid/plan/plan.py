"""The plan of a sweep on a node: ordered cells to run, skipped ones with reasons, measured ones."""

from __future__ import annotations

from collections.abc import Container, Mapping

import msgspec

from grid.cells.cell import Cell
from grid.cells.workload import Quality
from grid.hardware.node import Node
from grid.models.artifact import Artifact, dequantized_note
from grid.plan.item_facts import ItemFacts
from grid.plan.order import Session, dependency_order, sessions
from grid.plan.parts import stages, whole_id


class Skip(msgspec.Struct, frozen=True):
    """A cell that is not run, and one line that says why."""

    cell: Cell
    reason: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a sweep comes to on a node.

    `cells` are to be run, in order; `measured` were subtracted because their result is there;
    `weight_bytes` is the size of each artifact by id (predicted before it is made), `host_bytes`
    and `device_bytes` the memory that each cell to run needs, by cell id; `references` maps the key
    of 16 bits in an engine to the cell whose options and text give the distribution for the others,
    also where that cell is measured already; `environments` has the backends whose engine lives in
    an environment of its own, True where that is made already; `item_facts` are those of the item
    sets by hash; `task_notes` say which tasks are not among the cells, and why; `shape_notes` what
    quants fall back to where the model's rows do not fit them; `noise` are the ids of the cells
    that compute a reference another way, for its noise floor alone; `calibration_tokens` is about
    how many tokens an importance matrix is computed of; `stops_when_decided`: of texts
    and tasks the first parts come first, and what comes later is run where it still decides
    something.
    """

    sweep: str
    node: Node
    cells: tuple[Cell, ...]
    skipped: tuple[Skip, ...]
    measured: tuple[Cell, ...] = ()
    weight_bytes: Mapping[str, int]
    host_bytes: Mapping[str, int]
    device_bytes: Mapping[str, int] = {}
    references: Mapping[str, Cell]
    environments: Mapping[str, bool] = {}
    item_facts: Mapping[str, ItemFacts] = {}
    task_notes: tuple[str, ...] = ()
    shape_notes: tuple[str, ...] = ()
    noise: frozenset[str] = frozenset()
    calibration_tokens: int = 0
    stops_when_decided: bool = False

    def without_finished(self, finished: Container[str]) -> Plan:
        """The plan without the cells whose ids are finished, or of which all chunks and items are;
        they move to `measured`."""
        left: list[Cell] = []
        done = list(self.measured)
        for cell in self.cells:
            is_done = cell.id in finished or whole_id(cell) in finished
            (done if is_done else left).append(cell)
        return msgspec.structs.replace(self, cells=tuple(left), measured=tuple(done))

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The cells to run, grouped by what shares one loaded engine."""
        return sessions(self.cells, self.references, self.noise)

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """All that must exist to run the cells, sources before what is made from them.

        A 16-bit artifact is among them also where only its distribution is wanted.
        """
        wanted: list[Artifact] = []
        for cell in self.cells:
            if isinstance(cell.workload, Quality) and cell.workload.reference is not None:
                wanted.append(self.references[cell.workload.reference].artifact)
            wanted.append(cell.artifact)
        return dependency_order(wanted)

    @property
    def backends(self) -> frozenset[str]:
        """All that run its cells or make its artifacts, a converter included."""
        makers = {artifact.backend for artifact in self.artifacts if artifact.made_from is not None}
        return frozenset({cell.backend for cell in self.cells} | makers)

    @property
    def optional(self) -> tuple[Cell, ...]:
        """Cells that are skipped where the first chunks and items decide; none where the sweep does
        not stop when it is decided."""
        if not self.stops_when_decided:
            return ()
        stage = stages((*self.cells, *self.measured))
        return tuple(cell for cell in self.cells if stage[cell.id])

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know of the figures that it will give, one line each."""
        artifacts = [cell.artifact for cell in (*self.cells, *self.measured)]
        lines = (
            dequantized_note(artifact.model.name, artifact.dequantized_from)
            for artifact in artifacts
            if artifact.dequantized_from
        )
        return (*self.task_notes, *self.shape_notes, *dict.fromkeys(lines))

    @property
    def peak_host_bytes(self) -> int | None:
        """The most memory that any cell to run needs, bytes; None without cells."""
        return max((self.host_bytes[cell.id] for cell in self.cells), default=None)
