"""The cards that a run of optimum-benchmark used, of those that the report lists of the machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grid.results.imports.cleaning import clean
from grid.results.imports.values import count_in, mapping, text

_ONE_CARD = "pytorch"
"""Loads on the first card that it sees, unless a map of devices or several processes spread it."""


def used_cards(config: Mapping[str, Any]) -> str:
    """The names of the cards, `A, B`; empty where nothing says which of different ones they are."""
    backend, about = mapping(config.get("backend")), mapping(config.get("environment"))
    listed = about.get("gpu")
    cards = [clean(str(card)) for card in listed] if isinstance(listed, list) else []
    cards = cards or [card for card in [text(about, "gpu")] if card]
    numbers = _numbers(config, backend, len(cards))
    if len(set(cards)) == 1:
        return ", ".join(cards[:1] * max(len(numbers), 1))
    if not numbers or max(numbers) >= len(cards):
        return ""
    return ", ".join(cards[number] for number in numbers)


def _numbers(config: Mapping[str, Any], backend: Mapping[str, Any], present: int) -> Sequence[int]:
    """The numbers of the cards that the run used; none where that is not said."""
    written = backend.get("device_ids")
    ids = written if isinstance(written, list) else str(written or "").split(",")
    chosen = [number for part in ids if (number := count_in(part)) is not None]
    if not chosen:
        own = text(backend, "device").partition(":")[2]
        chosen = [int(own)] if own.isdigit() else []
    spread = bool(text(backend, "device_map")) or bool(text(backend, "tp_plan"))
    launcher = mapping(config.get("launcher"))
    processes = count_in(launcher.get("nproc_per_node")) or 1
    if spread:
        return chosen or range(present)
    if processes > 1:
        return (chosen or range(present))[:processes]
    if text(backend, "name") == _ONE_CARD:
        return chosen[:1] or ([0] if present == 1 else [])
    return chosen
