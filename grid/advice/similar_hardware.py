"""Machines whose speeds are those of another, as far as names can say."""

from __future__ import annotations

import re
from collections.abc import Sequence

from grid.advice.hardware import Machine, accelerator_of, class_facts
from grid.analysis import Variant


def nearest_similar(group: Sequence[Variant], machine: Machine, wanted: Variant) -> Variant | None:
    """The variant of this artifact that was timed on hardware like the machine, if there is one."""
    timed = [v for v in group if v.decode and v.origin == wanted.origin]
    similar = [v for v in timed if on_similar_hardware(v, machine)]
    return min(similar, key=lambda v: (v.options != wanted.options, v.id), default=None)


def on_similar_hardware(variant: Variant, machine: Machine) -> bool:
    """True where the variant was measured on what the machine is: its class but for the memory, or
    one accelerator (or chip) of its name."""
    return is_similar_class(variant.hardware_class, machine)


def is_similar_class(hardware_class: str, machine: Machine) -> bool:
    """As `on_similar_hardware`, of a hardware class by its name."""
    facts = class_facts(hardware_class)
    if facts is None:
        return False
    if machine.measured is not None:
        own = class_facts(machine.measured.name)
        return own is not None and facts.same_speed_as(own)
    if machine.chip is None or not machine.chip.vendor:
        return False
    if max(facts.cards, 1) != machine.chip.count:
        return False
    words = _name_words(facts.card or facts.chip)
    if words == _name_words(machine.chip.name):
        return True
    card = accelerator_of(facts)
    return card is not None and card.name == re.sub(r"^\d+x ", "", machine.chip.name)


def _name_words(name: str) -> set[str]:
    """Words of a chip's name without its maker, its memory and its count of GPU cores."""
    idle = {"nvidia", "amd", "intel", "apple", "geforce", "radeon", "tesla", "gpu"}
    bare = re.sub(r"^\d+x |\(\w+\)|\b\d+ ?gi?b\b", " ", name.lower())
    return set(re.findall(r"[a-z0-9]+", bare)) - idle
