"""Read GGUF headers within bounds: no length, count or offset in the file is trusted.

Layout (little endian): magic `GGUF`, u32 version, u64 tensor count, u64 metadata count, then the
metadata (key, u32 type, value) and the tensor infos (name, u32 dimensions, u64 each, u32 type,
u64 offset), then padding to the alignment and the tensor data. Reading a header keeps at most
`MAX_METADATA_BYTES` of metadata in memory whatever the file says of itself.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import IO, NamedTuple

from grid.errors import InputError, NotAModel
from grid.models.gguf.foreign_types import FOREIGN_TYPES
from grid.models.gguf.ggml_types import GGML_TYPES, GgmlType

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MAX_COUNT = 65_536
"""Most metadata entries and most tensors; the largest published models have about 2,000."""
MAX_NAME = 1024
MAX_STRING = 65_536
"""Longer strings (chat templates, licences) are skipped."""
MAX_NUMBERS = 4096
"""Longer arrays (token scores) are skipped; per-layer arrays are a few hundred long."""
MAX_METADATA_BYTES = 8 * 2**20
MAX_DIMS = 4
MAX_ALIGNMENT = 2**20
DEFAULT_ALIGNMENT = 32

_STRING, _ARRAY = 8, 9
_SCALARS: dict[int, str] = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i",
    6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d",
}  # fmt: skip


class SkippedValue(NamedTuple):
    """A metadata value too large to keep: an array of `length` elements, or a string of bytes."""

    length: int


Scalar = int | float | bool | str
Value = Scalar | tuple[int | float | bool, ...] | SkippedValue


class GgufTensor(NamedTuple):
    """One tensor: `dims` as ggml orders them (row length first), `offset` from the data's start."""

    name: str
    dims: tuple[int, ...]
    type: GgmlType
    offset: int

    @property
    def elements(self) -> int:
        product = 1
        for dim in self.dims:
            product *= dim
        return product

    @property
    def bytes(self) -> int:
        return self.elements // self.type.block * self.type.bytes


class GgufHeader(NamedTuple):
    """The header of a GGUF file, checked against the file's size."""

    path: Path
    version: int
    metadata: dict[str, Value]
    tensors: tuple[GgufTensor, ...]
    data_start: int
    file_bytes: int


def read_header(path: Path) -> GgufHeader:
    """The header of one GGUF file. Raises InputError, one line, if it cannot be true."""
    try:
        size = path.stat().st_size
        with path.open("rb", buffering=2**18) as file:
            return HeaderReader(path, file, size).header()
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise InputError(f"{path}: cannot be read ({reason}); check the path") from error


class HeaderReader:
    """Reads a header piece by piece, within the file's size and the bounds above."""

    def __init__(self, path: Path, file: IO[bytes], size: int) -> None:
        self.path, self.file, self.size = path, file, size
        self.offset = 0
        self.metadata_bytes = 0

    def error(
        self, what: str, hint: str = "the file is damaged, get or convert it again"
    ) -> InputError:
        return InputError(f"{self.path}: {what}; {hint}")

    def type_error(self, tensor: str, number: int) -> InputError:
        """What a type is that llama.cpp does not have: a fork's, or one of its own of old."""
        foreign = FOREIGN_TYPES.get(number)
        if foreign is None:
            return self.error(
                f"tensor {tensor!r} has the unknown type {number}",
                "an engine that is not known here made the file, or it is damaged",
            )
        return NotAModel(
            f"{self.path}: tensor {tensor!r} is {foreign.name}, a type of {foreign.maker}; "
            f"{foreign.hint}"
        )

    def require(self, count: int, what: str) -> None:
        if count > self.size - self.offset:
            raise self.error(
                f"truncated in the header: {what} at byte {self.offset} takes {count} bytes, "
                f"{self.size - self.offset} are left"
            )

    def take(self, count: int, what: str) -> bytes:
        self.require(count, what)
        data = self.file.read(count)
        if len(data) != count:
            raise self.error(f"shrank while it was read, at byte {self.offset}", "try again")
        self.offset += count
        return data

    def skip(self, count: int, what: str) -> None:
        self.require(count, what)
        self.offset += count
        self.file.seek(self.offset)

    def integer(self, form: str, what: str) -> int:
        return int(struct.unpack(form, self.take(struct.calcsize(form), what))[0])

    def count_metadata(self, count: int) -> None:
        self.metadata_bytes += count
        if self.metadata_bytes > MAX_METADATA_BYTES:
            raise self.error(f"more than {MAX_METADATA_BYTES} bytes of metadata")

    def text(self, what: str, limit: int) -> str | SkippedValue:
        """A string; past `limit` bytes only its length."""
        length = self.integer("<Q", f"the length of {what}")
        if length > limit:
            self.skip(length, what)
            return SkippedValue(length)
        self.count_metadata(length)
        return self.take(length, what).decode("utf-8", errors="replace")

    def name(self, what: str) -> str:
        name = self.text(what, MAX_NAME)
        if isinstance(name, SkippedValue):
            raise self.error(f"{what} is {name.length} bytes long, the limit is {MAX_NAME}")
        return name

    def count(self, what: str, least_bytes: int) -> int:
        count = self.integer("<Q", f"the number of {what}")
        if count > MAX_COUNT or count * least_bytes > self.size - self.offset:
            raise self.error(f"absurd header: {count} {what} in {self.size} bytes")
        return count

    def header(self) -> GgufHeader:
        version = self._version()
        tensor_count = self.count("tensors", 24)
        metadata = self._metadata(self.count("metadata entries", 13))
        tensors = tuple(self._tensor(index) for index in range(tensor_count))
        alignment = self._alignment(metadata)
        data_start = -(-self.offset // alignment) * alignment
        self._check_tensors(tensors, alignment, data_start)
        return GgufHeader(self.path, version, metadata, tensors, data_start, self.size)

    def _version(self) -> int:
        magic = self.file.read(4)
        if len(magic) < 4:
            raise self.error(f"truncated: {self.size} bytes are no GGUF file")
        if magic != MAGIC:
            raise self.error(f"not a GGUF file (it begins with {magic!r})", "name a .gguf file")
        self.offset = 4
        version = self.integer("<I", "the version")
        if version and version & 0xFFFF == 0:
            raise self.error("a big-endian GGUF file", "convert it to little endian")
        if version not in VERSIONS:
            raise self.error(
                f"GGUF version {version}", "versions 2 and 3 are read, convert it again"
            )
        return version

    def _metadata(self, count: int) -> dict[str, Value]:
        metadata: dict[str, Value] = {}
        for index in range(count):
            key = self.name(f"metadata key {index}")
            if key in metadata:
                raise self.error(f"metadata key {key!r} is there twice")
            metadata[key] = self._value(key, self.integer("<I", f"the type of {key!r}"))
        return metadata

    def _value(self, key: str, kind: int) -> Value:
        if kind == _STRING:
            return self.text(repr(key), MAX_STRING)
        if kind == _ARRAY:
            return self._array(key)
        form = _SCALARS.get(kind)
        if form is None:
            raise self.error(f"metadata {key!r} has the unknown type {kind}")
        value: Scalar = struct.unpack(form, self.take(struct.calcsize(form), repr(key)))[0]
        return value

    def _array(self, key: str) -> Value:
        kind = self.integer("<I", f"the element type of {key!r}")
        count = self.integer("<Q", f"the length of {key!r}")
        if kind == _STRING:
            self._skip_strings(key, count)
            return SkippedValue(count)
        form = _SCALARS.get(kind)
        if form is None:
            raise self.error(f"metadata {key!r} is an array of the unknown or nested type {kind}")
        size = struct.calcsize(form)
        if count > MAX_NUMBERS:
            self.skip(count * size, repr(key))
            return SkippedValue(count)
        self.count_metadata(32 * count)
        return struct.unpack(f"<{count}{form[1]}", self.take(count * size, repr(key)))

    def _skip_strings(self, key: str, count: int) -> None:
        """Pass over `count` strings a block at a time: vocabularies have hundreds of thousands."""
        if count * 8 > self.size - self.offset:
            self.require(count * 8, f"{key!r} with {count} strings")
        block, at = b"", 0
        for _ in range(count):
            if at + 8 > len(block):
                self.skip(at, repr(key))
                block, at = self._peek(), 0
                if len(block) < 8:
                    self.require(8, repr(key))
            at += 8 + int.from_bytes(block[at : at + 8], "little")
        self.skip(at, repr(key))

    def _peek(self) -> bytes:
        block = self.file.read(2**18)
        self.file.seek(self.offset)
        return block

    def _tensor(self, index: int) -> GgufTensor:
        name = self.name(f"the name of tensor {index}")
        rank = self.integer("<I", f"the rank of {name!r}")
        if not 1 <= rank <= MAX_DIMS:
            raise self.error(f"tensor {name!r} has {rank} dimensions, 1 to {MAX_DIMS} are possible")
        dims = struct.unpack(f"<{rank}Q", self.take(8 * rank, f"the shape of {name!r}"))
        number = self.integer("<I", f"the type of {name!r}")
        offset = self.integer("<Q", f"the offset of {name!r}")
        kind = GGML_TYPES.get(number)
        if kind is None:
            raise self.type_error(name, number)
        if 0 in dims or dims[0] % kind.block:
            raise self.error(f"tensor {name!r} of shape {list(dims)} cannot be {kind.name}")
        return GgufTensor(name, dims, kind, offset)

    def _alignment(self, metadata: dict[str, Value]) -> int:
        value = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
        if type(value) is not int or not 1 <= value <= MAX_ALIGNMENT or value & (value - 1):
            raise self.error("general.alignment is not a power of two within reason")
        return value

    def _check_tensors(self, tensors: tuple[GgufTensor, ...], alignment: int, start: int) -> None:
        """Every tensor lies in the file, aligned, and no two share a name or a byte."""
        if len({tensor.name for tensor in tensors}) != len(tensors):
            raise self.error("two tensors have the same name")
        end = 0
        for tensor in sorted(tensors, key=lambda tensor: tensor.offset):
            if tensor.offset % alignment or tensor.offset < end:
                raise self.error(f"tensor {tensor.name!r} at offset {tensor.offset} is misplaced")
            end = tensor.offset + tensor.bytes
            if start + end > self.size:
                raise self.error(
                    f"truncated: tensor {tensor.name!r} ends at byte {start + end}, "
                    f"the file at {self.size}"
                )
