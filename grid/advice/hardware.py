"""The requested machine: a measured class, a chip of the catalogue, or a budget."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from grid.advice.ask import Ask
from grid.advice.main_memory import with_main_memory
from grid.advice.several_cards import cards_notes, further_cards_bytes
from grid.analysis.dataset import HardwareClass
from grid.errors import InputError, did_you_mean, name_some
from grid.hardware.chips import (
    Chip,
    SeveralChips,
    UsableMemory,
    budget_chip,
    chip_of_budget,
    find_chip,
    named_chip,
    usable_bytes,
)
from grid.units import GIB, parse_bytes

CPU = "cpu"

_SERVER = re.compile(
    r"(NVIDIA |AMD )?(([ABHLV]|GH)\d+S?|T4|GB[23]00)\b|.*(Instinct|Tesla|Data Center)"
)
"""Cards of servers, which draw no desktop."""

_CLASS = re.compile(
    r"(?P<chip>.+), (?P<cores>\d+) cores"
    r"(?:, (?P<count>\d+)x (?P<card>.+?) (?P<amount>[\d.]+ [KMGT]?i?B))?"
    r", (?P<memory>\d+) GiB, (?P<bucket>[^,]+)"
)

_IMPORTED_CLASS = re.compile(r"(?P<chip>.+) \[[^\]]+\]")
"""`NVIDIA RTX 4090 [source]`: a class of imported rows."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """`measured` is its hardware class in the store, None for one that nobody measured.

    `chip` has what a prediction needs, None where that is not known. `budget_bytes` is what models
    can have of the memory, None where the memory is not known; `beside` is the same of its other
    kind of device (CPU or card), where rows of both may be in one class.
    """

    name: str
    measured: HardwareClass | None
    platform: str
    chip: Chip | None
    budget_bytes: float | None
    budget_why: str
    notes: tuple[str, ...] = ()
    beside: float | None = None
    main_memory: Chip | None = None
    """The processor and main memory beside a card, where what the card lacks may lie there."""
    main_memory_bytes: float | None = None
    """What models can have of it."""

    @property
    def class_name(self) -> str | None:
        """Name of its hardware class in the store; None for a machine that nobody measured."""
        return self.measured.name if self.measured else None

    def budget_of(self, device_kind: str) -> float | None:
        """What models on a kind of device can have, bytes."""
        same_device = (platform_of(device_kind) == CPU) == (self.platform == CPU)
        return self.budget_bytes if same_device or self.beside is None else self.beside


NAMED = 4
"""Machines that an error line names."""


@dataclass(frozen=True)
class ClassFacts:
    """What the name of a hardware class says; `card` and its bytes are None without accelerator."""

    chip: str
    cores: int
    memory_bytes: int
    bucket: str
    card: str | None
    cards: int
    card_bytes: int | None

    def same_speed_as(self, facts: ClassFacts) -> bool:
        """True for the same accelerators, or the same chip, cores and bandwidth: speeds of one are
        those of the other, as far as a name can say, whatever their memory."""
        if self.card is not None or facts.card is not None:
            return (self.card, self.cards) == (facts.card, facts.cards)
        return (self.chip, self.cores, self.bucket) == (facts.chip, facts.cores, facts.bucket)


def platform_of(device_kind: str) -> str:
    """`cuda` of `cuda-sm90`, and of `cuda [source]`, the kind of imported rows."""
    return device_kind.partition(" ")[0].partition("-")[0]


def class_facts(name: str) -> ClassFacts | None:
    """None for names of another form, such as those of imported rows."""
    match = _CLASS.fullmatch(name)
    if match is None:
        return None
    return ClassFacts(
        match["chip"],
        int(match["cores"]),
        int(match["memory"]) * GIB,
        match["bucket"],
        match["card"],
        int(match["count"] or 0),
        parse_bytes(match["amount"]) if match["amount"] else None,
    )


def machine_of(classes: Sequence[HardwareClass], ask: Ask) -> Machine:
    """The machine of an ask. Raises InputError where it names none, several, or too little."""
    return with_main_memory(_machine_of(classes, ask), ask)


def _machine_of(classes: Sequence[HardwareClass], ask: Ask) -> Machine:
    if ask.chip is not None:
        return _of_chip(named_chip(ask.chip, memory_bytes=ask.memory_bytes), ask)
    if ask.bandwidth_bytes_s is not None and ask.memory_bytes is not None:
        return _of_budget(ask.memory_bytes, ask.bandwidth_bytes_s, ask)
    place = _class_of(classes, ask)
    return _of_chip(place, ask) if isinstance(place, Chip) else _of_class(place, ask)


def _class_of(classes: Sequence[HardwareClass], ask: Ask) -> HardwareClass | Chip:
    """The measured class that is meant, or the chip that a name of no class means."""
    wanted = ask.hardware
    names = [c.name for c in classes]
    if not names and wanted is None:
        raise InputError("the store has no results yet; `grid sweep` fills it")
    if wanted is None:
        own = [c for c in classes if "" in c.origins]
        if len(own) == 1 or len(classes) == 1:
            return (own or classes)[0]
        raise InputError(
            f"say which machine: --hardware with a part of its name ({_listed(names)}), or --chip"
        )
    exact = [c for c in classes if c.name == wanted]
    near = exact or [c for c in classes if wanted.casefold() in c.name.casefold()]
    if len(near) == 1:
        return near[0]
    if near:
        listed = _listed([c.name for c in near])
        raise InputError(f"{wanted!r} is in the name of {len(near)} machines: {listed}")
    try:
        return named_chip(wanted, memory_bytes=ask.memory_bytes)
    except SeveralChips:
        raise
    except InputError:
        pass
    hint = did_you_mean(wanted, names) if len(names) <= NAMED else ""
    raise InputError(
        f"no machine called {wanted!r} was measured. {hint or f'Known: {_listed(names)}.'} "
        "--chip names one that was not"
    )


def _listed(names: Sequence[str]) -> str:
    """Names of machines, which are long: of many some."""
    return name_some(names, NAMED, "; ")


def _of_chip(chip: Chip, ask: Ask) -> Machine:
    memory = ask.memory_bytes or chip.memory_bytes
    if memory is None:
        sizes = ", ".join(f"{size / GIB:g}" for size in chip.memory_options)
        sold = f" ({sizes} GiB)" if sizes else ""
        raise InputError(
            f"{chip.name} comes with several memories{sold}; say which, --memory 32GiB"
        )
    usable = _usable(chip, memory, ask, bool(_SERVER.match(chip.name)))
    return Machine(
        name=chip.name,
        measured=None,
        platform=chip.platform,
        chip=chip,
        budget_bytes=usable.bytes - further_cards_bytes(chip),
        budget_why=usable.why,
        notes=(*chip.notes, *_memory_notes(chip, memory), *cards_notes(chip)),
    )


def _memory_notes(chip: Chip, memory: float) -> tuple[str, ...]:
    """What data sheets say of the memory, where the question says otherwise."""
    sold = chip.memory_options or ((chip.memory_bytes,) if chip.memory_bytes else ())
    if not sold or any(0.9 * size <= memory <= size for size in sold):
        return ()
    sizes = ", ".join(f"{size / GIB:g}" for size in sold)
    return (f"{chip.name} is sold with {sizes} GiB; {memory / GIB:g} GiB are taken as said",)


def _of_budget(memory: float, bandwidth: float, ask: Ask) -> Machine:
    chip = chip_of_budget(round(memory), bandwidth, ask.platform)
    machine = _of_chip(chip, ask)
    return replace(machine, name=memory_text(memory, bandwidth, machine.platform))


def memory_text(memory: float, bandwidth: float, platform: str) -> str:
    """`24 GiB RAM, 27 GB/s`: main memory in whole GiB, of which the firmware keeps a part."""
    gib = memory / GIB
    size = f"{gib:.0f} GiB RAM" if platform == CPU and gib >= 1 else f"{gib:.3g} GiB"
    return f"{size}, {bandwidth / 1e9:.{0 if bandwidth >= 1e10 else 1}f} GB/s"


def _of_class(hardware_class: HardwareClass, ask: Ask) -> Machine:
    facts = class_facts(hardware_class.name)
    platform = platform_of(hardware_class.device_kind)
    chip = None
    if platform != CPU:
        chip = accelerator_of(facts) or _imported_chip(hardware_class.name, platform, ask)
    budget = _budget(hardware_class.name, facts, platform, ask, chip)
    beside = None
    if facts is not None and facts.card is not None and platform != "metal":
        card = accelerator_of(facts)
        card_platform = card.platform if card is not None else "cuda"
        other_platform = card_platform if platform == CPU else CPU
        beside = _budget(hardware_class.name, facts, other_platform, ask, None)
    return Machine(
        name=hardware_class.name,
        measured=hardware_class,
        platform=platform,
        chip=chip,
        budget_bytes=float(budget.bytes) if budget else None,
        budget_why=budget.why if budget else "memory of this class is not known; --memory says",
        beside=float(beside.bytes) if beside else None,
    )


def _imported_chip(name: str, platform: str, ask: Ask) -> Chip | None:
    """The catalogue's chip of a class of others, whose rows say no more than its name."""
    match = _IMPORTED_CLASS.fullmatch(name)
    if match is None:
        return None
    try:
        chip = find_chip(match["chip"], memory_bytes=ask.memory_bytes)
    except InputError:
        return None
    return chip if chip.platform == platform else None


def _budget(
    name: str, facts: ClassFacts | None, platform: str, ask: Ask, chip: Chip | None
) -> UsableMemory | None:
    """What models can have: of the main memory for a CPU or where it is unified, else of the
    cards'. `chip`: the class's, where its rows do not say what memory it has."""
    memory = ask.memory_bytes
    if memory is None and facts is None and chip is not None:
        memory = chip.memory_bytes
    if memory is None and facts is not None:
        shared = facts.card_bytes is None or platform in {CPU, "metal"} or _is_unified(facts)
        memory = facts.memory_bytes if shared else facts.cards * (facts.card_bytes or 0)
    if memory is None:
        return None
    chip = None if platform == CPU else chip or accelerator_of(facts)
    plain = chip or budget_chip(round(memory), 1e9, platform)
    server = facts is not None and bool(_SERVER.match(facts.card or ""))
    return _usable(replace(plain, name=name), memory, ask, server)


def _usable(chip: Chip, memory: float, ask: Ask, headless: bool = False) -> UsableMemory:
    reserved = None if ask.reserved_bytes is None else round(ask.reserved_bytes)
    return usable_bytes(chip, round(memory), reserved, headless)


def _is_unified(facts: ClassFacts) -> bool:
    chip = accelerator_of(facts)
    return chip is not None and chip.unified


def accelerator_of(facts: ClassFacts | None) -> Chip | None:
    """The catalogue's facts of a class's accelerator."""
    if facts is None or facts.card is None:
        return None
    apple = facts.card.startswith("Apple")
    try:
        return find_chip(facts.card, memory_bytes=facts.memory_bytes if apple else facts.card_bytes)
    except InputError:
        return None
