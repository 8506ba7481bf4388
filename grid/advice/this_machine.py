"""Which machine is meant where an ask names none: this one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow.compute as pc

from grid.advice.ask import Ask
from grid.analysis.dataset import Dataset
from grid.errors import InputError
from grid.hardware.chips import find_chip
from grid.hardware.identify import identify_node
from grid.hardware.node import Node


def named_machine(ask: Ask) -> bool:
    """Whether the ask says which machine it is about; a bare memory does not."""
    return any(value is not None for value in (ask.hardware, ask.chip, ask.bandwidth_bytes_s))


def with_machine(dataset: Dataset, ask: Ask) -> tuple[Ask, str]:
    """The ask, on this machine's hardware class where it names no machine, and what a reader has to
    know of that; empty where it is nothing."""
    if named_machine(ask):
        return ask, ""
    node = identify_node()
    name = class_of_this_machine(dataset, node)
    return replace(ask, hardware=name), _note(node, name)


def class_of_this_machine(dataset: Dataset, node: Node) -> str | None:
    """The hardware class that has what this machine was probed to have and was measured; of several
    that differ in bandwidth alone the one with rows under its name. None where that is no single
    one."""
    names = node.classes_among(c.name for c in dataset.classes if "" in c.origins)
    if len(names) > 1:
        own = (pc.field("node") == node.name) & (pc.field("origin") == "")
        under_its_name = pc.unique(dataset.overview.attempts.filter(own)["hardware_class"])
        names = [name for name in names if name in under_its_name.to_pylist()]
    return names[0] if len(names) == 1 else None


def _note(node: Node, name: str | None) -> str:
    """Where the rows are of another machine, or of this one with another bandwidth."""
    if name is None:
        return (
            f"this machine ({node.short_name}) has no rows in the store: the answer is for the one "
            "that has; `grid sweep` measures this one"
        )
    if not node.bandwidth_bytes_s or name == node.hardware_class:
        return ""
    before, now = (text.rpartition(", ")[2] for text in (name, node.hardware_class))
    return (
        f"this machine's rows are of a bandwidth of {before}, and it measures {now} now: rates may "
        "differ; `grid sweep FILE --fresh` measures them again"
    )


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
