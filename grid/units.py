"""Units: binary sizes and durations, read from and written for people."""

from __future__ import annotations

import re

from grid.errors import InputError

KIB, MIB, GIB = 2**10, 2**20, 2**30
MOST_GIB = 65536
"""Above this a bare number is no memory in GiB."""

_SCALE = {
    "": 1, "b": 1,
    "k": 10**3, "kb": 10**3, "kib": KIB,
    "m": 10**6, "mb": 10**6, "mib": MIB,
    "g": 10**9, "gb": 10**9, "gib": GIB,
    "t": 10**12, "tb": 10**12, "tib": 2**40,
}  # fmt: skip
_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]*)\s*")
_DURATION = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|min|h)?\s*")
_SECONDS = {None: 1.0, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def parse_bytes(text: str | int) -> int:
    """Bytes in `"8 GiB"`, `"500MB"` or a plain number. Raises InputError on anything else."""
    if isinstance(text, int):
        return text
    match = _SIZE.fullmatch(text)
    if match is None or match[2].lower() not in _SCALE:
        raise InputError(f"{text!r} is not a size; write for example 8GiB or 500MB")
    return int(float(match[1]) * _SCALE[match[2].lower()])


def parse_memory_bytes(text: str | int) -> int:
    """As `parse_bytes`, but a bare number that is no more than a machine's GiB is GiB."""
    size = str(text).strip()
    bare = re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", size) is not None
    return parse_bytes(f"{size}GiB" if bare and 0 < float(size) <= MOST_GIB else text)


def parse_memory(text: str | int) -> int:
    """Bytes of a machine's or card's memory: `24`, `24GB` and `24GiB` are all 24 GiB, as memory is
    sold; a bare number from a MiB on is bytes. Raises InputError on anything else."""
    size = str(text).strip()
    match = _SIZE.fullmatch(size)
    if match is None or match[2].lower() not in _SCALE:
        raise InputError(f"{text!r} is not a size; write for example 24GiB")
    unit = match[2].lower()
    if unit in {"", "b"} and float(match[1]) >= MIB:
        return int(float(match[1]))
    if unit == "b" or (unit == "" and float(match[1]) > MOST_GIB):
        raise InputError(f"{text!r} is no memory's size; write it with its unit, as 24GiB")
    scale = _SCALE[f"{unit[:1] or 'g'}ib"]
    return round(float(match[1]) * scale)


def parse_file_size(text: str) -> int:
    """Bytes of a file in `4.9GB` or `4.9GiB`. Raises InputError where the unit is missing."""
    match = _SIZE.fullmatch(text)
    if match is not None and not match[2] and float(match[1]) < MIB:
        number = match[1]
        raise InputError(f"{number} of what? write it with its unit, as {number}GB or {number}GiB")
    return parse_bytes(text)


def parse_seconds(text: str | float) -> float:
    """Seconds in `"90"`, `"90s"`, `"15min"`, `"2h"` or a number. Raises InputError otherwise."""
    if isinstance(text, int | float):
        return float(text)
    match = _DURATION.fullmatch(text)
    if match is None:
        raise InputError(f"{text!r} is not a duration; write for example 90s, 15min or 2h")
    return float(match[1]) * _SECONDS[match[2]]


def format_bytes(count: float) -> str:
    """`1536 -> '1.5 KiB'`; three significant digits, binary units."""
    for scale, unit in ((2**40, "TiB"), (GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if abs(count) >= scale:
            return (
                f"{count / scale:.3g} {unit}"
                if count / scale < 999
                else f"{count / scale:.0f} {unit}"
            )
    return f"{count:.0f} B"


def format_seconds(seconds: float) -> str:
    """`75 -> '1 min 15 s'`; two units at most."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def count_of(count: int, noun: str) -> str:
    """`1 cell`, `2,000 cells`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
