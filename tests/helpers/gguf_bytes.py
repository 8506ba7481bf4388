"""GGUF files built byte by byte, true or not."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

U32, I32, F32, BOOL, STRING, ARRAY, U64 = 4, 5, 6, 7, 8, 9, 10
_FORMS = {U32: "<I", I32: "<i", F32: "<f", BOOL: "<?", U64: "<Q"}

Entry = tuple[str, int, object]
Tensor = tuple[str, tuple[int, ...], int, int]
"""Name, dims, ggml type, offset."""

SMALL: list[Entry] = [
    ("general.architecture", STRING, "llama"),
    ("general.name", STRING, "Tiny"),
    ("general.file_type", U32, 1),
    ("llama.context_length", U32, 128),
    ("llama.embedding_length", U32, 64),
    ("llama.block_count", U32, 2),
    ("llama.attention.head_count", U32, 4),
    ("llama.attention.head_count_kv", U32, 2),
    ("tokenizer.ggml.tokens", ARRAY, (STRING, ["a", "b", "c"])),
    ("tokenizer.ggml.scores", ARRAY, (F32, [0.0, 1.0, 2.0])),
]
"""A two-layer Llama of width 64 with 4 heads of 16, 2 of them for keys and values."""

TENSORS: list[Tensor] = [
    ("token_embd.weight", (64, 3), 1, 0),
    ("blk.0.attn_q.weight", (64, 64), 8, 384),
    ("blk.0.attn_norm.weight", (64,), 0, 4736),
]
DATA_BYTES = 4736 + 256


def gguf_string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def gguf_value(kind: int, content: object) -> bytes:
    if kind == STRING:
        return gguf_string(str(content))
    if kind == ARRAY:
        inner, items = content  # type: ignore[misc]
        body = b"".join(gguf_value(inner, item) for item in items)
        return struct.pack("<IQ", inner, len(items)) + body
    return struct.pack(_FORMS[kind], content)


def gguf_file(
    entries: Iterable[Entry] = SMALL,
    tensors: Iterable[Tensor] = TENSORS,
    data: int = DATA_BYTES,
    version: int = 3,
    magic: bytes = b"GGUF",
) -> bytes:
    entries, tensors = list(entries), list(tensors)
    out = magic + struct.pack("<IQQ", version, len(tensors), len(entries))
    for key, kind, content in entries:
        out += gguf_string(key) + struct.pack("<I", kind) + gguf_value(kind, content)
    for name, dims, kind, offset in tensors:
        out += gguf_string(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)
    return out + b"\0" * (-len(out) % 32) + b"\0" * data


def write_file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def small_entries(*entries: Entry, without: Iterable[str] = ()) -> list[Entry]:
    """SMALL with entries added or replaced, and some left out."""
    new = {entry[0]: entry for entry in [*SMALL, *entries]}
    return [entry for key, entry in new.items() if key not in set(without)]
