"""Names that a user gives beside a file: they fill what it lacks, and contradict what it says."""

from __future__ import annotations

from grid.models.names import ladder_name, spelling_key


def same_model(stated: str, supplied: str) -> bool:
    """Whether two names are of one model: they differ in spelling, publisher or quantization."""
    return spelling_key(ladder_name(stated)) == spelling_key(ladder_name(supplied))


def same_hardware(stated: str, supplied: str) -> bool:
    """Whether two names are of one machine: they differ in spelling, or are of one chip."""
    from grid.hardware.chips.find import possible_chips

    if spelling_key(stated) == spelling_key(supplied):
        return True
    cards = stated.split(", ")
    name = f"{len(cards)}x {cards[0]}" if len(cards) > 1 and len(set(cards)) == 1 else stated
    ours = {chip.name for chip in possible_chips(name)}
    return bool(ours & {chip.name for chip in possible_chips(supplied)})
