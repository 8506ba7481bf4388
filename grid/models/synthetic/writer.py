"""Writes a GGUF file with made-up weights, quantized as a preset stores them, piece by piece."""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from grid.errors import Unsupported
from grid.models.artifact import Inspection
from grid.models.gguf import rules
from grid.models.gguf.ggml_types import FILE_TYPES, TYPES_BY_NAME
from grid.models.gguf.inspection import inspect_headers
from grid.models.gguf.inventory import UnquantizedTensor
from grid.models.gguf.inventory_config import from_config
from grid.models.gguf.presets import type_choices
from grid.models.gguf.reader import GgufHeader, GgufTensor, SkippedValue
from grid.models.gguf.tokens import TOKENS
from grid.models.synthetic.blocks import BLOCKS_OF_TILE, can_make, tile
from grid.models.synthetic.header import VERSION, Number, aligned, header_bytes, lay_out
from grid.models.synthetic.metadata import model_metadata

GENERATOR = "synthetic 1"
"""Name and version of what makes the bytes; raised whenever the same shape would give others."""

_FILE_TYPE_NUMBERS = {name: number for number, name in FILE_TYPES.items()}
_NEED_MATRIX = (*rules.LOW_STEP_UP, "IQ3_XXS", "IQ3_XS", "Q2_K_S")
"""Presets that are only made with an importance matrix, by which some of their types differ."""
_EMBEDDING_EXPONENT = 2
_QUEUED_PIECES = 8


class Sink(Protocol):
    """What takes bytes, such as a file."""

    def write(self, content: bytes | memoryview, /) -> Any: ...


class SyntheticFile:
    """A GGUF of a shape at a preset: its header and size, known before a byte is written.

    `config` are the fields of a config.json. Raises InputError for a shape or a preset that is not
    known, Unsupported for a preset that cannot store it.
    """

    def __init__(self, name: str, config: Mapping[str, Any], preset: str) -> None:
        self.name, self.preset = name, preset
        inventory, model = from_config(config)
        matrix = preset in _NEED_MATRIX
        choices = type_choices(inventory, model, preset, importance_matrix=matrix)
        types = {name: choice.stored for name, choice in choices.items()}
        if preset == rules.EXPERTS_ONLY and not model.n_expert:
            raise Unsupported(f"{preset} is for mixtures of experts; use Q8_0 for {name}")
        for kind in {*types.values()}:
            if not can_make(kind):
                raise Unsupported(f"{preset} stores tensors as {kind}, which is not made up here")
        self.fallbacks = sum(choice.falls_back for choice in choices.values())
        by_name = {tensor.name: tensor for tensor in inventory}
        self.tensors = lay_out((by_name[name], kind) for name, kind in types.items())
        self.metadata: dict[str, Number] = {
            "general.architecture": model.architecture,
            "general.name": name,
            "general.description": "made-up weights, for speed and memory alone",
            "general.file_type": _FILE_TYPE_NUMBERS[preset],
            "general.quantization_version": 2,
            **model_metadata(config, model),
        }
        self.vocabulary = model.n_vocab or 0

    @cached_property
    def header(self) -> bytes:
        """Everything before the first tensor's bytes."""
        return header_bytes(self.metadata, self.vocabulary, self.tensors)

    @property
    def file_bytes(self) -> int:
        """Size of the whole file."""
        return len(self.header) + sum(aligned(stored.bytes) for stored in self.tensors)

    @cached_property
    def inspection(self) -> Inspection:
        """What reading the file's header gives; its sha256 is empty."""
        tensors = tuple(
            GgufTensor(
                stored.tensor.name,
                tuple(length or 0 for length in stored.tensor.shape or ()),
                TYPES_BY_NAME[stored.kind],
                stored.offset,
            )
            for stored in self.tensors
        )
        header = GgufHeader(
            path=Path(f"{self.name}.gguf"),
            version=VERSION,
            metadata={**self.metadata, TOKENS: SkippedValue(self.vocabulary)},
            tensors=tensors,
            data_start=len(self.header),
            file_bytes=self.file_bytes,
        )
        return inspect_headers([header], "")

    def pieces(self) -> Iterator[bytes | memoryview]:
        """The file's bytes in order, a few MB at a time; nothing of it is kept."""
        yield self.header
        for stored in self.tensors:
            yield from _tensor_pieces(stored.tensor, stored.kind, stored.bytes)
            yield bytes(aligned(stored.bytes) - stored.bytes)

    def write(self, file: Sink, on_bytes: Callable[[int], None] = lambda count: None) -> str:
        """Write it; returns its SHA-256. `on_bytes` hears the size of each piece. Raises
        OSError."""
        hasher = _ThreadedHasher()
        with hasher:
            for piece in self.pieces():
                hasher.update(piece)
                file.write(piece)
                on_bytes(len(piece))
        return hasher.hexdigest()


def _tensor_pieces(tensor: UnquantizedTensor, kind: str, size: int) -> Iterator[bytes | memoryview]:
    """The bytes of a tensor: norms are 1, biases 0, the rest is random. Tensors begin at places of
    the tile that depend on their names."""
    if tensor.name.endswith(".bias"):
        yield bytes(size)
    elif tensor.rank == 1 or "norm" in tensor.name:
        yield b"\0\0\x80\x3f" * (size // 4)
    else:
        content = memoryview(tile(kind, _exponent(tensor)))
        ggml_type = TYPES_BY_NAME[kind]
        name_hash = hashlib.sha256(tensor.name.encode()).digest()
        first = int.from_bytes(name_hash[:8]) % BLOCKS_OF_TILE[ggml_type.block] * ggml_type.bytes
        yield content[first : first + size]
        left = size - min(size, len(content) - first)
        for _ in range(left // len(content)):
            yield content
        yield content[: left % len(content)]


def _exponent(tensor: UnquantizedTensor) -> int:
    """Of the spread 2^-exponent at which a matrix keeps what it multiplies about a quarter as
    large: sums stay small over a hundred layers."""
    if tensor.name in rules.EMBEDDINGS:
        return _EMBEDDING_EXPONENT
    return (tensor.row or 1).bit_length() // 2 + 2


class _ThreadedHasher:
    """SHA-256 in a thread of its own, beside the writing; holds a few pieces at most."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._queue: queue.Queue[bytes | memoryview | None] = queue.Queue(_QUEUED_PIECES)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> _ThreadedHasher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._queue.put(None)
        self._thread.join()

    def update(self, piece: bytes | memoryview) -> None:
        self._queue.put(piece)

    def hexdigest(self) -> str:
        """Of everything so far; the thread must have ended."""
        return self._sha256.hexdigest()

    def _run(self) -> None:
        while (piece := self._queue.get()) is not None:
            self._sha256.update(piece)
