"""Hardware classes by short names: the card or the chip, with no more than tells them apart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from grid.advice.hardware import class_facts
from grid.units import GIB, format_bytes

_MAKER = re.compile(r"^(NVIDIA|AMD|Intel)\s+(?=GeForce|Radeon|RTX|GTX|Tesla|\w?\d)")
_SOURCE = re.compile(r"\s*\[[^\]]+\]$")
"""`NVIDIA RTX 4090 [source]`: a class of imported rows."""


def short_machine_name(name: str) -> str:
    """`RTX 4090`, `AMD EPYC, 24 GiB`; a name of another form as it is."""
    return _forms(name)[0]


def short_machine_names(names: Iterable[str]) -> dict[str, str]:
    """By hardware class the shortest name that no other of them has."""
    forms = {name: _forms(name) for name in names}
    shortest = {name: ways[0] for name, ways in forms.items()}
    for level in (1, 2):
        counts = Counter(shortest.values())
        for name, ways in forms.items():
            if counts[shortest[name]] > 1:
                shortest[name] = ways[min(level, len(ways) - 1)]
    return shortest


def _forms(name: str) -> list[str]:
    """Names of a class, the shortest first and its own last."""
    facts = class_facts(name)
    if facts is None:
        return [_plain_card(_SOURCE.sub("", name)) or name, name]
    memory = f"{facts.memory_bytes // GIB} GiB"
    if facts.card is None:
        return [f"{facts.chip}, {memory}", f"{facts.chip}, {facts.cores} cores, {memory}", name]
    card = _plain_card(facts.card)
    cards = f"{facts.cards}x {card}" if facts.cards > 1 else card
    size = f" {format_bytes(facts.card_bytes)}" if facts.card_bytes else ""
    return [cards, f"{cards}{size}, {facts.cores} cores, {memory}", name]


def _plain_card(name: str) -> str:
    """Without its maker, where the model says enough."""
    return _MAKER.sub("", name).removeprefix("GeForce ").strip()
