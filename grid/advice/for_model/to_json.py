"""Which hardware runs a model, as plain data for `grid recommend --for --json`."""

from __future__ import annotations

from typing import Any

import msgspec

from grid.advice.for_model.choose import VERDICTS, HardwareChoice, PlaceVerdict
from grid.advice.for_model.sentences import headline
from grid.advice.sessions import sessions_data


def choice_data(choice: HardwareChoice) -> dict[str, Any]:
    """JSON-ready; bytes, token/s and shares of 1 throughout. None is not known."""
    variant, memory = choice.target.variant, choice.memory
    data = {
        "answer": headline(choice),
        "model": {
            "name": variant.model,
            "quant": variant.quant,
            "backend": variant.backend,
            "bytes": variant.artifact_bytes,
            "parameters": variant.parameters,
            "active_parameters": variant.active_parameters,
            "context_length": variant.context_length,
            "source": choice.target.source,
        },
        "min_decode_tps": choice.min_decode_tps,
        "sessions": choice.ask.sessions,
        "context": memory.context,
        "kv_type": memory.kv_type,
        "need": {
            "bytes": memory.total,
            "weights_bytes": memory.weights,
            "kv_bytes": memory.kv,
            "overhead_bytes": memory.overhead,
            "notes": memory.notes,
        },
        **{
            verdict.replace(" ", "_"): [
                _place(entry, choice.ask.sessions) for entry in choice.of(verdict)
            ]
            for verdict in VERDICTS
        },
        "notes": choice.notes,
    }
    return dict(msgspec.to_builtins(data))


def _place(entry: PlaceVerdict, sessions: int) -> dict[str, Any]:
    place = entry.place
    return {
        "name": place.name,
        "nodes": place.nodes,
        "hardware_class": place.hardware_class,
        "platform": place.platform,
        "memory_bytes": place.memory_bytes,
        "budget_bytes": place.budget_bytes,
        "bandwidth_bytes_s": place.chip.bandwidth_bytes_s if place.chip else None,
        "decode_tps": entry.decode,
        "sessions": sessions_data(entry.decode, sessions),
        "sure": entry.sure,
        "chip_measured": entry.chip_measured,
        "cards_needed": entry.cards,
        "split": None if entry.split is None else entry.split.text,
    }
