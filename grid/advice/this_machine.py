"""Which machine is meant where an ask names none: this one."""

from __future__ import annotations

from dataclasses import replace
from socket import gethostname
from typing import Any

import pyarrow.compute as pc

from grid.advice.ask import Ask
from grid.analysis.dataset import Dataset
from grid.errors import InputError
from grid.hardware.chips import find_chip
from grid.hardware.node import Node


def named_machine(ask: Ask) -> bool:
    """Whether the ask says which machine it is about; a bare memory does not."""
    return any(value is not None for value in (ask.hardware, ask.chip, ask.bandwidth_bytes_s))


def with_machine(dataset: Dataset, ask: Ask) -> Ask:
    """The ask, on this machine's hardware class where it names no machine."""
    return ask if named_machine(ask) else replace(ask, hardware=class_of_this_machine(dataset))


def class_of_this_machine(dataset: Dataset) -> str | None:
    """The hardware class of the rows that this machine measured, where it is a single one. The
    machine is known by its host name: probing it would measure its bandwidth first."""
    own = (pc.field("node") == gethostname()) & (pc.field("origin") == "")
    classes = pc.unique(dataset.overview.attempts.filter(own)["hardware_class"]).to_pylist()
    return classes[0] if len(classes) == 1 else None


def fields_of_node(node: Node) -> dict[str, Any]:
    """Fields of an ask that say what a probed machine is: its card where the catalogue has it, else
    its memory and bandwidth."""
    memory = {"memory_bytes": float(node.memory_bytes)}
    if not node.accelerators:
        return {**memory, "bandwidth_bytes_s": node.bandwidth_bytes_s, "platform": "cpu"}
    card = node.accelerators[0]
    count = f"{len(node.accelerators)}x " if len(node.accelerators) > 1 else ""
    try:
        chip = find_chip(f"{count}{card.name}", memory_bytes=card.memory_bytes)
    except InputError:
        return {"memory_bytes": float(card.memory_bytes)}
    return {"chip": chip.name} if chip.memory_bytes else {"chip": chip.name, **memory}
