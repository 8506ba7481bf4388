"""Safetensors files read as numpy arrays, mapped from disk, with every length checked."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from grid.backend import EngineError

_MAX_HEADER = 100 * 2**20
_DTYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}

Array = npt.NDArray[Any]


def read(path: Path) -> dict[str, tuple[str, Array]]:
    """Name -> (dtype `F32`, `F16` or `BF16`, array); BF16 comes as its upper 16 bits, uint16.

    Raises EngineError with one line where the file is not what it says.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(_MAX_HEADER, size - 8):
            raise EngineError(f"{path}: no safetensors file, or a truncated one")
        text = file.read(length)
    try:
        entries = json.loads(text)
        entries.pop("__metadata__", None)
        return {name: _tensor(path, size, 8 + length, entry) for name, entry in entries.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineError(f"{path}: damaged safetensors header ({error})") from error


def _tensor(path: Path, size: int, data: int, entry: dict[str, Any]) -> tuple[str, Array]:
    kind, shape = entry["dtype"], tuple(entry["shape"])
    start, end = entry["data_offsets"]
    if kind not in _DTYPES:
        raise ValueError(f"weights of type {kind} are not read; save them as F16, BF16 or F32")
    dtype = np.dtype(_DTYPES[kind])
    if not all(type(n) is int and n > 0 for n in shape) or not 0 <= start < end <= size - data:
        raise ValueError(f"shape {shape} at {start} to {end}")
    if math.prod(shape) * dtype.itemsize != end - start:
        raise ValueError(f"shape {shape} does not fill {end - start} bytes")
    return kind, np.memmap(path, dtype, "r", data + start, shape)


def to_float32(kind: str, array: Array) -> npt.NDArray[np.float32]:
    """The values in 32 bits, exact for all three types."""
    if kind == "BF16":
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float32)


def to_bfloat16(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """Upper halves, rounded to the nearest and ties to even; a NaN stays one."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    quiet = ((bits >> 16) | 0x40).astype(np.uint16)
    return np.where(np.isnan(values), quiet, rounded)
