"""Read safetensors headers: names, types, shapes and offsets of the tensors, no length trusted.

Format: header length (8 bytes, little-endian), a JSON object, then the tensors' bytes without gaps.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from grid.errors import InputError

MAX_HEADER = 32 * 2**20
"""Bytes of header that are read: room for 200,000 tensors. (The format allows 100 MB.)"""
MAX_DIMENSIONS = 8
MAX_ELEMENTS = 2**50

DTYPE_BITS: Mapping[str, int] = {
    "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
    "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "U16": 16, "I16": 16, "F16": 16, "BF16": 16,
    "U32": 32, "I32": 32, "F32": 32,
    "U64": 64, "I64": 64, "F64": 64, "C64": 64,
}  # fmt: skip
"""Bits of one element by the format's type names."""


class SafetensorsTensor(NamedTuple):
    """One tensor: `start` and `end` are byte positions in the file at `path`."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int
    path: Path

    @property
    def elements(self) -> int:
        """Elements as stored: of a packed tensor, its words."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Bytes of the tensor's data."""
        return self.end - self.start


TensorsByName = Mapping[str, SafetensorsTensor]


class SafetensorsHeader(NamedTuple):
    """The header of one file; `metadata` is its free-form text, `file_bytes` the whole file."""

    path: Path
    file_bytes: int
    metadata: Mapping[str, str]
    tensors: tuple[SafetensorsTensor, ...]


def read_header(path: Path) -> SafetensorsHeader:
    """The header of one file. Raises InputError with one line where it contradicts the file."""
    size, text = _header_text(path)
    try:
        entries = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        raw_metadata = entries.pop("__metadata__", None)
        metadata = (
            msgspec.json.decode(raw_metadata, type=dict[str, str] | None) if raw_metadata else None
        )
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"its header is not JSON as it should be ({error})") from None
    data_start = 8 + len(text)
    tensors = tuple(_parse_tensor(path, data_start, name, entry) for name, entry in entries.items())
    if text.count(b'"data_offsets"') > len(tensors):
        raise _damaged(path, f"{_duplicate_name(text)} is there twice")
    _check_offsets(path, data_start, size, tensors)
    return SafetensorsHeader(path, size, metadata or {}, tensors)


def read_shape(tensor: SafetensorsTensor) -> tuple[int, ...] | None:
    """The shape that a small I64 tensor holds; None where its numbers cannot be one."""
    if tensor.dtype != "I64" or len(tensor.shape) != 1 or tensor.elements > MAX_DIMENSIONS:
        return None
    with tensor.path.open("rb") as file:
        file.seek(tensor.start)
        data = file.read(tensor.bytes)
    sides = struct.unpack(f"<{len(data) // 8}q", data)
    return sides if all(0 < side < 2**32 for side in sides) else None


def header_bytes(
    tensors: Sequence[SafetensorsTensor], metadata: Mapping[str, str] | None = None
) -> int:
    """Size of the header that the reference implementation writes for these tensors, its length
    field and the padding to 8 bytes included."""
    entries: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    offset = 0
    for tensor in tensors:
        entries[tensor.name] = {
            "dtype": tensor.dtype,
            "shape": tensor.shape,
            "data_offsets": [offset, offset + tensor.bytes],
        }
        offset += tensor.bytes
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False)
    return 8 + -(-len(text.encode()) // 8) * 8


_POINTER = int.from_bytes(b"version ", "little")
"""How the text that Git LFS leaves in place of a file begins."""


def _header_text(path: Path) -> tuple[int, bytes]:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8:
                raise _damaged(path, f"truncated: {size} bytes")
            if length == _POINTER:
                raise InputError(
                    f"{path}: a Git LFS pointer, not the weights; run git lfs pull there"
                )
            if length > MAX_HEADER or length < 2:
                raise _damaged(path, f"not a safetensors file (a header of {length} bytes)")
            if length > size - 8:
                raise _damaged(
                    path, f"truncated in the header: {size} bytes of {length + 8} or more"
                )
            return size, file.read(length)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def _duplicate_name(text: bytes) -> str:
    """The name that stands twice in a JSON object whose entries are all valid."""
    duplicates: list[str] = []

    def record_duplicates(pairs: list[tuple[str, object]]) -> None:
        names: set[str] = set()
        for name, _ in pairs:
            if name in names:
                duplicates.append(name)
            names.add(name)

    json.loads(text, object_pairs_hook=record_duplicates)
    return repr(duplicates[0][:200]) if duplicates else "a tensor"


class _Entry(msgspec.Struct):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


def _parse_tensor(path: Path, data_start: int, name: str, text: msgspec.Raw) -> SafetensorsTensor:
    what = f"tensor {name[:200]!r}"
    try:
        entry = msgspec.json.decode(text, type=_Entry)
    except (ValueError, RecursionError):
        raise _damaged(path, f"{what} has no readable type, shape and place") from None
    dtype, shape, (start, end) = entry.dtype, entry.shape, entry.data_offsets
    if dtype not in DTYPE_BITS:
        raise _damaged(path, f"{what} has the unknown type {dtype[:40]!r}")
    if len(shape) > MAX_DIMENSIONS or not all(0 <= n < 2**48 for n in shape):
        raise _damaged(path, f"{what} has a shape that cannot be")
    bits = math.prod(shape) * DTYPE_BITS[dtype]
    if math.prod(shape) > MAX_ELEMENTS or not 0 <= start <= end or bits != 8 * (end - start):
        raise _damaged(path, f"{what} of shape {shape} in {dtype} does not fill its place")
    return SafetensorsTensor(name, dtype, tuple(shape), data_start + start, data_start + end, path)


def _check_offsets(
    path: Path, data_start: int, size: int, tensors: Sequence[SafetensorsTensor]
) -> None:
    expected = data_start
    for tensor in sorted(tensors, key=lambda tensor: (tensor.start, tensor.end)):
        if tensor.start != expected:
            raise _damaged(
                path, f"tensor {tensor.name[:200]!r} at byte {tensor.start} is misplaced"
            )
        expected = tensor.end
    if expected > size:
        raise _damaged(path, f"truncated: {size} bytes of {expected}")
    if expected < size:
        raise _damaged(path, f"{size - expected} bytes at its end belong to no tensor")


def _damaged(path: Path, what: str) -> InputError:
    return InputError(f"{path}: {what}; the file is damaged, get or convert it again")
