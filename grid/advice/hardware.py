"""The machine that is asked about: a measured class, a chip of the catalogue, or a budget."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from grid.advice.ask import Ask
from grid.analysis.dataset import HardwareClass
from grid.errors import InputError, did_you_mean
from grid.hardware.chips import Chip, Usable, find, target, usable_bytes
from grid.units import GIB, parse_bytes

CARD_BANDWIDTH = 200e9
"""Bytes/s from which a bare budget is taken to be a card: desktops and laptops are below."""

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

    def budget_of(self, device_kind: str) -> float | None:
        """What models on a kind of device can have, bytes."""
        same = (device_kind.partition("-")[0] == CPU) == (self.platform == CPU)
        return self.budget_bytes if same or self.beside is None else self.beside


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

    def like(self, other: ClassFacts) -> bool:
        """True for the same accelerators, or the same chip, cores and bandwidth: speeds of one are
        those of the other, as far as a name can say, whatever their memory."""
        if self.card is not None or other.card is not None:
            return (self.card, self.cards) == (other.card, other.cards)
        return (self.chip, self.cores, self.bucket) == (other.chip, other.cores, other.bucket)


def class_facts(name: str) -> ClassFacts | None:
    """None for names of another form, such as those of imported rows."""
    found = _CLASS.fullmatch(name)
    if found is None:
        return None
    return ClassFacts(
        found["chip"],
        int(found["cores"]),
        int(found["memory"]) * GIB,
        found["bucket"],
        found["card"],
        int(found["count"] or 0),
        parse_bytes(found["amount"]) if found["amount"] else None,
    )


def machine_of(classes: Sequence[HardwareClass], ask: Ask) -> Machine:
    """The machine of an ask. Raises InputError where it names none, several, or too little."""
    if ask.chip is not None:
        return _of_chip(find(ask.chip), ask)
    if ask.bandwidth_bytes_s is not None and ask.memory_bytes is not None:
        return _of_budget(ask.memory_bytes, ask.bandwidth_bytes_s, ask)
    return _of_class(_class_of(classes, ask.hardware), ask)


def _class_of(classes: Sequence[HardwareClass], wanted: str | None) -> HardwareClass:
    names = [one.name for one in classes]
    if not names:
        raise InputError("the store has no results yet; `grid sweep` fills it")
    if wanted is None:
        own = [one for one in classes if "" in one.origins]
        if len(own) == 1:
            return own[0]
        listed = "; ".join(names)
        raise InputError(f"say which machine: --hardware with one of: {listed}; or --chip NAME")
    exact = [one for one in classes if one.name == wanted]
    near = exact or [one for one in classes if wanted.casefold() in one.name.casefold()]
    if len(near) == 1:
        return near[0]
    if near:
        listed = "; ".join(one.name for one in near)
        raise InputError(f"{wanted!r} is in the name of {len(near)} classes: {listed}")
    hint = did_you_mean(wanted, names)
    raise InputError(f"no hardware class like {wanted!r} was measured. {hint} Or ask with --chip.")


def _of_chip(chip: Chip, ask: Ask) -> Machine:
    memory = ask.memory_bytes or chip.memory_bytes
    if memory is None:
        raise InputError(f"{chip.name} comes with several memories; say which, --memory 32GiB")
    usable = _usable(chip, memory, ask, bool(_SERVER.match(chip.name)))
    return Machine(
        name=chip.name,
        measured=None,
        platform=chip.platform,
        chip=chip,
        budget_bytes=usable.bytes,
        budget_why=usable.why,
    )


def _of_budget(memory: float, bandwidth: float, ask: Ask) -> Machine:
    platform = ask.platform or ("cuda" if bandwidth >= CARD_BANDWIDTH else "cpu")
    chip = target(round(memory), bandwidth, platform)
    usable = _usable(chip, memory, ask)
    said = "as asked" if ask.platform else "taken from its bandwidth; --platform says otherwise"
    return Machine(
        name=f"{memory / GIB:.4g} GiB at {bandwidth / 1e9:.4g} GB/s",
        measured=None,
        platform=platform,
        chip=chip,
        budget_bytes=usable.bytes,
        budget_why=usable.why,
        notes=(f"platform {platform}, {said}",),
    )


def _of_class(found: HardwareClass, ask: Ask) -> Machine:
    facts = class_facts(found.name)
    platform = found.device_kind.partition("-")[0]
    budget = _budget(found.name, facts, platform, ask)
    other = None
    if facts is not None and facts.card is not None and platform != "metal":
        card = _chip_of(facts)
        other = card.platform if card is not None else "cuda"
        other = other if platform == CPU else CPU
    beside = _budget(found.name, facts, other, ask) if other is not None else None
    return Machine(
        name=found.name,
        measured=found,
        platform=platform,
        chip=None if platform == CPU else _chip_of(facts),
        budget_bytes=float(budget.bytes) if budget else None,
        budget_why=budget.why if budget else "memory of this class is not known; --memory says",
        beside=float(beside.bytes) if beside else None,
    )


def _budget(name: str, facts: ClassFacts | None, platform: str, ask: Ask) -> Usable | None:
    """Of a class's own memory for its CPU or where it is unified, else of its cards'."""
    memory = ask.memory_bytes
    if memory is None and facts is not None:
        shared = facts.card_bytes is None or platform in {CPU, "metal"}
        memory = facts.memory_bytes if shared else facts.cards * (facts.card_bytes or 0)
    if memory is None:
        return None
    chip = None if platform == CPU else _chip_of(facts)
    plain = chip or target(round(memory), 1e9, platform)
    server = facts is not None and bool(_SERVER.match(facts.card or ""))
    return _usable(replace(plain, name=name), memory, ask, server)


def _usable(chip: Chip, memory: float, ask: Ask, headless: bool = False) -> Usable:
    reserved = None if ask.reserved_bytes is None else round(ask.reserved_bytes)
    return usable_bytes(chip, round(memory), reserved, headless)


def _chip_of(facts: ClassFacts | None) -> Chip | None:
    """The catalogue's facts of a class's accelerator."""
    if facts is None or facts.card is None:
        return None
    try:
        return find(facts.card)
    except InputError:
        return None
