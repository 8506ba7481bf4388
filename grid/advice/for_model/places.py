"""Places where a model may run: chips of the catalogue, measured classes, or one machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from grid.advice.ask import Ask
from grid.advice.for_model.memory_sizes import memory_sizes
from grid.advice.hardware import CPU, Machine, class_facts, machine_of
from grid.advice.main_memory import with_main_memory
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
    machine: Machine | None = None
    """With the main memory beside a card, where there is some."""


def catalogue_places(need: float, ask: Ask) -> list[Place]:
    """Every chip of the catalogue, as `chip_place` has it; cards have the ask's main memory beside
    them."""
    beside = _main_memory(ask)
    places = (chip_place(chip, need, ask, beside) for chip in chips().values())
    return [place for place in places if place is not None]


def chip_place(chip: Chip, need: float, ask: Ask, beside: Machine | None = None) -> Place | None:
    """A chip with the least memory it is sold with that holds `need` bytes, or else the most; None
    where all its memory is kept back."""
    place = None
    reserved = None if ask.reserved_bytes is None else round(ask.reserved_bytes)
    for size in memory_sizes(chip):
        try:
            usable = usable_bytes(chip, size, reserved, chip.headless).bytes
        except InputError:  # less memory than is kept back
            continue
        budget = float(usable - further_cards_bytes(chip))
        machine = None
        if beside is not None and chip.platform != CPU and not chip.unified:
            machine = replace(
                beside, name=chip.name, platform=chip.platform, chip=chip, budget_bytes=budget
            )
        place = Place(chip.name, chip.platform, chip, float(size), budget, machine=machine)
        if need <= budget:
            return place
    return place


def _main_memory(ask: Ask) -> Machine | None:
    """A card with the ask's main memory beside it, to be given each card's own facts; None without
    main memory. Raises InputError for a processor that is none."""
    if ask.ram_bytes is None and ask.cpu is None:
        return None
    card = Machine(name="", measured=None, platform="", chip=None, budget_bytes=0.0, budget_why="")
    return with_main_memory(card, ask)


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
        machine if machine.main_memory is not None else None,
    )


def _class_memory(machine: Machine) -> float | None:
    """The memory in the name of a measured class that its device computes in."""
    facts = class_facts(machine.name)
    if facts is None:
        return None
    if facts.card_bytes is None or machine.platform in {"cpu", "metal"}:
        return float(facts.memory_bytes)
    return float(facts.cards * facts.card_bytes)
