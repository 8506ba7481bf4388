"""Rates that strangers measured: a row for each model that somebody ran on some chip."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grid.advice.prediction import quants
from grid.advice.prediction.observation import PROMPT, Observation, chip_facts
from grid.advice.prediction.rate_tables import known_chip, read_table
from grid.errors import InputError
from grid.hardware.chips import Chip

FULL = 0.6
"""Share of a card's memory from which on weights may not fit beside cache, engine and desktop."""
OFFLOADED = 0.4
"""Share of the bandwidth below which such a row had layers in the main memory."""


def community_table(path: Path) -> list[Observation]:
    """Rows of chip, engine, model, quant, parameters, active_parameters, decode_tps, prefill_tps
    and prompt_tokens; those that `why_left_out` names are not in it, nor those of `unclear_chips`.

    Bytes are computed from parameters and the type's bits, unless the row says them. Raises
    InputError where the file is no such table."""
    data = read_table(path)
    chips = {name: known_chip(name) for name in _names(data["rows"], path)}
    observations = []
    for row in data["rows"]:
        chip = chips[row["chip"]]
        if chip is None:
            continue
        try:
            observation = _observation(row, chip, str(data.get("source", path.name)))
        except (KeyError, TypeError) as error:
            raise InputError(f"{path}: a row lacks {error}; see docs/prediction.md") from error
        if why_left_out(observation, chip.memory_bytes) is None:
            observations.append(observation)
    return observations


def unclear_chips(path: Path) -> list[str]:
    """Names in such a table that no chip has, or several that are not alike: their rows are not
    read. Raises InputError where the file is no such table."""
    return [name for name in _names(read_table(path)["rows"], path) if known_chip(name) is None]


def why_left_out(row: Observation, memory_bytes: int | None) -> str | None:
    """Why a row is not one of a model that ran as it says on this chip alone, else None."""
    if row.decode_tps is None or row.bandwidth_bytes_s is None:
        return None
    share = row.decode_tps * row.read_bytes / row.bandwidth_bytes_s
    if share > 1:
        return "faster than its weights can be read: a token uses fewer of them than it says"
    filled = 0.0 if memory_bytes is None else row.weight_bytes / memory_bytes
    if filled > 1 or (filled > FULL and share < OFFLOADED and not row.mixture):
        return "larger than the card's free memory: some layers ran on the processor"
    return None


def _names(rows: list[Any], path: Path) -> dict[str, None]:
    """The chips' names, each once. Raises InputError where a row has none."""
    try:
        return dict.fromkeys(row["chip"] for row in rows)
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: a row lacks {error}; see docs/prediction.md") from error


def _observation(row: Mapping[str, Any], chip: Chip, source: str) -> Observation:
    total, active = float(row["parameters"]), float(row["active_parameters"])
    quant = row["quant"]
    size = row.get("file_bytes") or total * quants.bits(quant) / 8
    return Observation(
        group=chip.name,
        platform=chip.platform,
        engine=row["engine"],
        quant=quant,
        weight_bytes=size,
        read_bytes=size * active / total,
        parameters=active,
        total_parameters=total,
        decode_tps=row.get("decode_tps"),
        prefill_tps=row.get("prefill_tps"),
        prompt=row.get("prompt_tokens") or PROMPT,
        origin=source,
        model=row["model"],
        **chip_facts(chip),
    )
