"""Variants of a plan: an artifact in an engine with its options, and all cells that say of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from grid.cells.cell import Cell
from grid.models.identity import digest


class PlannedVariant(NamedTuple):
    """`name` is unique in its plan, `label` is for people: `smol Q4_K_M (threads=1)`. Variants
    whose options differ in speed only share the cells of their quality."""

    name: str
    label: str
    cells: tuple[Cell, ...]


def variants_of(cells: Iterable[Cell]) -> list[PlannedVariant]:
    """The variants of a plan's cells. A variant of which only quality is measured counts where no
    other has that quality."""
    timed: dict[str, list[Cell]] = {}
    quality: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.exclusive:
            timed.setdefault(digest(cell.artifact.id, cell.backend, cell.options), []).append(cell)
        else:
            quality.setdefault(cell.engine, []).append(cell)
    engines = {of_variant[0].engine for of_variant in timed.values()}
    groups = {
        name: [*of_variant, *quality.get(of_variant[0].engine, ())]
        for name, of_variant in timed.items()
    }
    groups |= {engine: own for engine, own in quality.items() if engine not in engines}
    labels = _labels([own[0] for own in groups.values()])
    return [
        PlannedVariant(name, label, tuple(own))
        for (name, own), label in zip(groups.items(), labels, strict=True)
    ]


def _labels(cells: Sequence[Cell]) -> list[str]:
    """Of a cell of each variant: the artifact, and what tells it from others of that artifact."""
    labels = []
    for cell in cells:
        alike = [twin for twin in cells if twin.artifact.id == cell.artifact.id]
        words = [cell.backend] if len({twin.backend for twin in alike}) > 1 else []
        words += [
            f"{name}={value}"
            for name, value in sorted(cell.options.items())
            if any(o.backend == cell.backend and o.options.get(name) != value for o in alike)
        ]
        labels.append(
            f"{cell.artifact.label} ({', '.join(words)})" if words else cell.artifact.label
        )
    return labels
