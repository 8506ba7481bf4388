"""Order: what shares one loaded engine, and what comes first."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

import msgspec

from grid.cells.cell import Cell, Options
from grid.cells.workload import Quality, Workload, kind
from grid.models.artifact import Artifact

_KINDS = ("memory", "prefill", "decode", "latency", "load", "quality", "tasks")

_encode = msgspec.json.Encoder(order="deterministic").encode


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """Cells that share one loaded engine, in the order to run them.

    `reference` is the cell whose engine, options and text give the distribution that the quality
    cells compare with; None where they compare with none. `noise` are the ids of quality cells that
    only say how far the reference moves when it is computed another way.
    """

    artifact: Artifact
    backend: str
    options: Options
    cells: tuple[Cell, ...]
    reference: Cell | None = None
    noise: frozenset[str] = frozenset()

    @property
    def is_reference(self) -> bool:
        """Whether its engine is itself what its quality cells compare with."""
        reference = self.reference
        return (
            reference is not None
            and self.artifact.id == reference.artifact.id
            and (self.backend, self.options) == (reference.backend, reference.options)
        )


def workload_rank(workload: Workload) -> tuple[int, int]:
    """Sort key within a session.

    Memory first, because its peak must be a fresh process's; then by kind, growing in size, so
    that an out-of-memory prunes what is larger.
    """
    return _KINDS.index(kind(workload)), workload.size


def sessions(
    cells: Iterable[Cell], references: Mapping[str, Cell], noise: Container[str] = ()
) -> tuple[Session, ...]:
    """Cells grouped by artifact, backend and options; the order of first sight is kept.

    `references` are the cells that give the 16-bit distributions, by artifact id; `noise` are the
    ids of noise runs.
    """
    groups: dict[tuple[str, str, bytes], list[Cell]] = {}
    for cell in cells:
        key = (cell.artifact.id, cell.backend, _encode(cell.options))
        groups.setdefault(key, []).append(cell)
    return tuple(
        Session(
            artifact=group[0].artifact,
            backend=group[0].backend,
            options=group[0].options,
            cells=tuple(group),
            reference=_reference(group, references),
            noise=frozenset(cell.id for cell in group if cell.id in noise),
        )
        for group in groups.values()
    )


def _reference(cells: Iterable[Cell], references: Mapping[str, Cell]) -> Cell | None:
    for cell in cells:
        if isinstance(cell.workload, Quality) and cell.workload.reference is not None:
            return references[cell.workload.reference]
    return None


def dependency_order(artifacts: Iterable[Artifact]) -> tuple[Artifact, ...]:
    """The artifacts and all that they are made from, each once, sources before what they make."""
    ordered: dict[str, Artifact] = {}

    def add(artifact: Artifact) -> None:
        if artifact.id in ordered:
            return
        if artifact.made_from is not None:
            add(artifact.made_from)
        ordered[artifact.id] = artifact

    for artifact in artifacts:
        add(artifact)
    return tuple(ordered.values())
