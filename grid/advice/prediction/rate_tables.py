"""Tables of published rates: JSON files with a list of rows, and the chips that they name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from grid.errors import InputError
from grid.hardware.chips import Chip, find_chip, possible_chips

_ALIKE = 1.06
"""Tables round bandwidths: 800 or 819 GB/s."""


def known_chip(name: str, bandwidth_bytes_s: float | None = None) -> Chip | None:
    """The catalogue's chip; where it has several of that name, the one nearest in bandwidth, or any
    of them if they are alike in it. None where it has none, or several that are not alike."""
    try:
        return find_chip(name, bandwidth_bytes_s)
    except InputError:
        chips = possible_chips(name)
    rates = [chip.bandwidth_bytes_s for chip in chips]
    return chips[0] if chips and max(rates) <= _ALIKE * min(rates) else None


def read_table(path: Path) -> dict[str, Any]:
    """A table as it is written. Raises InputError where the file is none."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a table of rates: {error}") from error
    if not isinstance(data, dict) or not isinstance(data.get("rows"), list):
        raise InputError(f"{path}: no table of rates; it has no list `rows`")
    return data
