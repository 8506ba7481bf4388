"""Main memory beside a card: what the card has no room for lies there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from grid.advice.ask import Ask
from grid.errors import InputError
from grid.hardware.chips import find_chip, usable_bytes

if TYPE_CHECKING:
    from grid.advice.hardware import Machine

USUAL_MEMORY = "DDR4-3200, 2 channels"
"""Main memory of a desktop of which nobody says more: 51 GB/s."""
_CPU = "cpu"


def with_main_memory(machine: Machine, ask: Ask) -> Machine:
    """The machine with the main memory that an ask gives it; as it is without one.

    Raises InputError for a machine that has no other memory than that, and a processor that is
    none.
    """
    if ask.ram_bytes is None:
        if ask.cpu is not None:
            raise InputError("a processor beside a card is for main memory; say --ram 64GiB too")
        return machine
    if machine.platform == _CPU or (machine.chip is not None and machine.chip.unified):
        raise InputError(
            f"{machine.name} has no memory of its own beside the main memory; leave out --ram, "
            "and say its size with --memory"
        )
    processor = find_chip(ask.cpu or USUAL_MEMORY)
    if processor.platform != _CPU:
        raise InputError(
            f"--cpu {ask.cpu!r} is {processor.name}, no processor; name one, or its memory, such "
            "as DDR5-5600"
        )
    basis = "as asked" if ask.cpu else "assumed; --cpu says otherwise"
    rate = processor.bandwidth_bytes_s / 1e9
    note = f"main memory beside the card: {processor.name} ({rate:.3g} GB/s), {basis}"
    return replace(
        machine,
        main_memory=processor,
        main_memory_bytes=float(usable_bytes(processor, round(ask.ram_bytes)).bytes),
        notes=(*machine.notes, note, *processor.notes),
    )
