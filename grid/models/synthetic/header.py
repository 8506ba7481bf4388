"""The header of a GGUF file with made-up weights: numbers of the model, vocabulary, tensors."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from grid.models.gguf.ggml_types import GGML_TYPES, TYPES_BY_NAME
from grid.models.gguf.inventory import UnquantizedTensor
from grid.models.gguf.reader import DEFAULT_ALIGNMENT, MAGIC

VERSION = 3
"""Of the GGUF format."""
_U32, _I32, _F32, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9
_NUMBERS = {kind: number for number, kind in GGML_TYPES.items()}
_NORMAL, _CONTROL, _UNUSED = 1, 3, 5
"""Kinds of tokens, as llama.cpp numbers them."""
_LETTERS = 256
_CONTROLS = ("<|begin|>", "<|end|>")
_MERGE = "h e"

Number = int | float | bool | str


class StoredTensor(NamedTuple):
    """A tensor in the file: its type by llama.cpp's name, bytes, and offset from the data's
    start."""

    tensor: UnquantizedTensor
    kind: str
    bytes: int
    offset: int


def lay_out(tensors: Iterable[tuple[UnquantizedTensor, str]]) -> tuple[StoredTensor, ...]:
    """Tensors with their types, one after the other at aligned offsets."""
    stored: list[StoredTensor] = []
    offset = 0
    for tensor, kind in tensors:
        ggml_type = TYPES_BY_NAME[kind]
        size = tensor.elements // ggml_type.block * ggml_type.bytes
        stored.append(StoredTensor(tensor, kind, size, offset))
        offset += aligned(size)
    return tuple(stored)


def aligned(size: int) -> int:
    """A size filled up to the alignment of tensors."""
    return -(-size // DEFAULT_ALIGNMENT) * DEFAULT_ALIGNMENT


def header_bytes(
    metadata: Mapping[str, Number], vocabulary: int, tensors: Sequence[StoredTensor]
) -> bytes:
    """Everything before the first tensor's bytes, filled up to the alignment."""
    entries = [_entry(key, value) for key, value in metadata.items()]
    words = _vocabulary(vocabulary)
    count = len(entries) + _VOCABULARY_ENTRIES
    head = MAGIC + struct.pack("<IQQ", VERSION, len(tensors), count)
    content = b"".join([head, *entries, words, *map(_tensor_entry, tensors)])
    return content.ljust(aligned(len(content)), b"\0")


_VOCABULARY_ENTRIES = 7


@lru_cache(maxsize=2)
def _vocabulary(size: int) -> bytes:
    """A byte-level vocabulary that is filled up to `size` tokens, of which none is merged from
    text: every byte is a token."""
    texts = [*_CONTROLS, *_byte_letters(), "".join(_MERGE.split())]
    unused = range(len(texts), size)
    kinds = [_CONTROL] * len(_CONTROLS) + [_NORMAL] * (len(texts) - len(_CONTROLS))
    return b"".join(
        (
            _entry("tokenizer.ggml.model", "gpt2"),
            _entry("tokenizer.ggml.pre", "gpt-2"),
            _strings("tokenizer.ggml.tokens", [*texts, *(f"[PAD{number}]" for number in unused)]),
            _integers("tokenizer.ggml.token_type", [*kinds, *(_UNUSED for _ in unused)]),
            _strings("tokenizer.ggml.merges", [_MERGE]),
            _entry("tokenizer.ggml.bos_token_id", 0),
            _entry("tokenizer.ggml.eos_token_id", 1),
        )
    )


def _byte_letters() -> list[str]:
    """The letter that stands for each byte in byte-level vocabularies (GPT-2's table)."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(_LETTERS, 2 * _LETTERS))
    return [chr(byte if byte in printable else next(others)) for byte in range(_LETTERS)]


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _entry(key: str, value: Number) -> bytes:
    if isinstance(value, str):
        return _text(key) + struct.pack("<I", _STRING) + _text(value)
    if isinstance(value, bool):
        return _text(key) + struct.pack("<I?", _BOOL, value)
    if isinstance(value, float):
        return _text(key) + struct.pack("<If", _F32, value)
    return _text(key) + struct.pack("<II", _U32, value)


def _strings(key: str, texts: Sequence[str]) -> bytes:
    start = struct.pack("<IIQ", _ARRAY, _STRING, len(texts))
    return b"".join([_text(key), start, *map(_text, texts)])


def _integers(key: str, numbers: Sequence[int]) -> bytes:
    start = struct.pack("<IIQ", _ARRAY, _I32, len(numbers))
    return _text(key) + start + struct.pack(f"<{len(numbers)}i", *numbers)


def _tensor_entry(stored: StoredTensor) -> bytes:
    shape = [length or 0 for length in stored.tensor.shape or ()]
    number = _NUMBERS[TYPES_BY_NAME[stored.kind]]
    form = f"<I{len(shape)}QIQ"
    return _text(stored.tensor.name) + struct.pack(form, len(shape), *shape, number, stored.offset)
