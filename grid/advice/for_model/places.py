"""Places where a model may run: chips of the catalogue, measured classes, or one machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from grid.advice.ask import Ask
from grid.advice.for_model.memory_sizes import memory_sizes
from grid.advice.hardware import Machine, class_facts, machine_of
from grid.advice.several_cards import further_cards_bytes
from grid.analysis.dataset import Dataset
from grid.errors import InputError
from grid.hardware.chips import Chip, chips, usable_bytes


@dataclass(frozen=True)
class Place:
    """A machine with `memory_bytes` (None: not known), of which models can have `budget_bytes`;
    `chip` is what rates are predicted for, None where the catalogue does not know it. `nodes` are
    names of a rack's machines."""

    name: str
    platform: str
    chip: Chip | None
    memory_bytes: float | None
    budget_bytes: float | None
    hardware_class: str | None = None
    nodes: tuple[str, ...] = ()


Need = Callable[[str], float]
"""Bytes that the model needs on a platform."""


def catalogue_places(need: Need, reserved_bytes: float | None = None) -> list[Place]:
    """Every chip of the catalogue, with the least memory it is sold with that holds the model, or
    else the most."""
    places = (_smallest_that_holds(chip, need, reserved_bytes) for chip in chips().values())
    return [place for place in places if place is not None]


def _smallest_that_holds(chip: Chip, need: Need, reserved_bytes: float | None) -> Place | None:
    place = None
    for size in memory_sizes(chip):
        try:
            reserved = None if reserved_bytes is None else round(reserved_bytes)
            usable = usable_bytes(chip, size, reserved, chip.headless).bytes
        except InputError:  # less memory than is kept back
            continue
        usable -= further_cards_bytes(chip)
        place = Place(chip.name, chip.platform, chip, float(size), float(usable))
        if need(chip.platform) <= usable:
            return place
    return place


def measured_places(dataset: Dataset, imported: bool = False) -> list[Place]:
    """Own hardware classes of a store, as their machines are; with `imported` those of others."""
    own = [c for c in dataset.classes if imported or "" in c.origins]
    return [machine_place(dataset, machine_of([c], Ask(hardware=c.name))) for c in own]


def machine_place(dataset: Dataset, machine: Machine, nodes: Sequence[str] = ()) -> Place:
    """A machine as it was asked about. The rates of a measured class are predicted for the chip
    that its rows have."""
    from grid.advice.prediction import chip_of

    chip, memory = machine.chip, None
    if machine.measured is not None:
        rows = [v for v in dataset.variants(machine.measured.name) if v.decode]
        chip = chip_of(rows[0]) if rows else chip
        memory = _class_memory(machine)
    elif chip is not None:
        memory = chip.memory_bytes
    return Place(
        machine.name,
        machine.platform,
        chip,
        memory,
        machine.budget_bytes,
        machine.class_name,
        tuple(nodes),
    )


def _class_memory(machine: Machine) -> float | None:
    """The memory in the name of a measured class that its device computes in."""
    facts = class_facts(machine.name)
    if facts is None:
        return None
    if facts.card_bytes is None or machine.platform in {"cpu", "metal"}:
        return float(facts.memory_bytes)
    return float(facts.cards * facts.card_bytes)
