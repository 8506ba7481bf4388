"""Machines whose speeds are those of another, as far as names can say."""

from __future__ import annotations

import re
from collections.abc import Sequence

from grid.advice.hardware import Machine, class_facts
from grid.analysis import Variant


def nearest(group: Sequence[Variant], machine: Machine, wanted: Variant) -> Variant | None:
    """The variant of this artifact with a speed on a class like the machine, if there is one."""
    able = [v for v in group if v.decode and v.origin == wanted.origin and is_like(v, machine)]
    order = sorted(able, key=lambda v: (v.options != wanted.options, v.id))
    return order[0] if order else None


def is_like(variant: Variant, machine: Machine) -> bool:
    """True where the variant was measured on what the machine is: its class but for the memory, or
    one accelerator (or chip) of its name."""
    return is_like_class(variant.hardware_class, machine)


def is_like_class(hardware_class: str, machine: Machine) -> bool:
    """As `is_like`, of a hardware class."""
    facts = class_facts(hardware_class)
    if facts is None:
        return False
    if machine.measured is not None:
        own = class_facts(machine.measured.name)
        return own is not None and facts.like(own)
    if machine.chip is None or not machine.chip.vendor:
        return False
    return _plain(machine.chip.name) == _plain(facts.card or facts.chip) and facts.cards <= 1


def _plain(name: str) -> set[str]:
    """Words of a chip's name without its maker, its memory and its count of GPU cores."""
    idle = {"nvidia", "amd", "intel", "apple", "geforce", "radeon", "tesla", "gpu"}
    bare = re.sub(r"\(\w+\)|\b\d+ ?gi?b\b", " ", name.lower())
    return set(re.findall(r"[a-z0-9]+", bare)) - idle
