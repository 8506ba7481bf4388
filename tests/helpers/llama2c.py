"""Checkpoints of llama2.c (format v0) and their tokenizers, converted to GGUF. For tests only.

A checkpoint is a header of 7 int32 (dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size,
seq_len; a negative vocab_size means a head of its own), then 32-bit weights, layer by layer for
each kind. A tokenizer is an int32 (longest token), then per token a 32-bit score, an int32 length
and the bytes, a space standing for SentencePiece's mark.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, NamedTuple

import gguf
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

_UNKNOWN, _BOS, _EOS = 0, 1, 2
_FILE_TYPES = {"F32": 0, "F16": 1}


class Shape(NamedTuple):
    """The header, and whether the head is the embedding."""

    dim: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int
    length: int
    tied: bool

    @property
    def head(self) -> int:
        return self.dim // self.heads


def read_checkpoint(path: Path) -> tuple[Shape, dict[str, Floats]]:
    """Shape and weights under their GGUF names; matrices are [outputs, inputs]."""
    raw = path.read_bytes()
    dim, hidden, layers, heads, kv_heads, vocabulary, length = struct.unpack_from("<7i", raw)
    shape = Shape(dim, hidden, layers, heads, kv_heads, abs(vocabulary), length, vocabulary > 0)
    values = np.frombuffer(raw, "<f4", offset=28)
    weights: dict[str, Floats] = {}
    at = 0
    for name, sizes, per_layer in _plan(shape):
        size = int(np.prod(sizes))
        for layer in range(layers) if per_layer else (None,):
            key = name if layer is None else f"blk.{layer}.{name}"
            weights[f"{key}.weight"] = values[at : at + size].reshape(sizes)
            at += size
    assert at == len(values), f"{path.name}: {len(values) - at} values are left over"
    return shape, {k: v for k, v in weights.items() if not k.startswith("rotary")}


def _plan(shape: Shape) -> list[tuple[str, tuple[int, ...], bool]]:
    """(name, shape, once a layer) in the order of the file."""
    dim, hidden, narrow = shape.dim, shape.hidden, shape.kv_heads * shape.head
    plan: list[tuple[str, tuple[int, ...], bool]] = [
        ("token_embd", (shape.vocabulary, dim), False),
        ("attn_norm", (dim,), True),
        ("attn_q", (dim, dim), True),
        ("attn_k", (narrow, dim), True),
        ("attn_v", (narrow, dim), True),
        ("attn_output", (dim, dim), True),
        ("ffn_norm", (dim,), True),
        ("ffn_gate", (hidden, dim), True),
        ("ffn_down", (dim, hidden), True),
        ("ffn_up", (hidden, dim), True),
        ("output_norm", (dim,), False),
        ("rotary", (2, shape.length, shape.head // 2), False),
    ]
    return plan if shape.tied else [*plan, ("output", (shape.vocabulary, dim), False)]


def read_tokenizer(path: Path, count: int) -> tuple[list[bytes], list[float]]:
    """Pieces and scores of the first `count` tokens."""
    raw, at = path.read_bytes(), 4
    pieces, scores = [], []
    for _ in range(count):
        score, length = struct.unpack_from("<fi", raw, at)
        pieces.append(raw[at + 8 : at + 8 + length])
        scores.append(score)
        at += 8 + length
    return pieces, scores


def convert(checkpoint: Path, tokens: Path, target: Path, recipe: str = "F16") -> Path:
    """Write a GGUF of F16 (norms in 32 bits) or F32."""
    shape, weights = read_checkpoint(checkpoint)
    writer = gguf.GGUFWriter(str(target), "llama")
    writer.add_name(checkpoint.stem)
    writer.add_file_type(_FILE_TYPES[recipe])
    _add_shape(writer, shape)
    _add_tokenizer(writer, *read_tokenizer(tokens, shape.vocabulary))
    for name, values in weights.items():
        plain = recipe == "F32" or values.ndim == 1
        writer.add_tensor(name, values if plain else values.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def _add_shape(writer: Any, shape: Shape) -> None:
    writer.add_block_count(shape.layers)
    writer.add_context_length(shape.length)
    writer.add_embedding_length(shape.dim)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(shape.head)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(shape.vocabulary)


def _add_tokenizer(writer: Any, pieces: list[bytes], scores: list[float]) -> None:
    """SentencePiece BPE: merges follow the scores, unknown bytes fall back to byte tokens."""
    types = [gguf.TokenType.NORMAL] * len(pieces)
    types[_UNKNOWN] = gguf.TokenType.UNKNOWN
    types[_BOS] = types[_EOS] = gguf.TokenType.CONTROL
    for i, piece in enumerate(pieces):
        if piece.startswith(b"<0x") and len(piece) == 6:
            types[i] = gguf.TokenType.BYTE
    names = [b"<unk>", b"<s>", b"</s>", *pieces[3:]]
    writer.add_tokenizer_model("llama")
    writer.add_token_list([name.replace(b" ", "\u2581".encode()) for name in names])
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    writer.add_bos_token_id(_BOS)
    writer.add_eos_token_id(_EOS)
    writer.add_unk_token_id(_UNKNOWN)
    writer.add_add_bos_token(True)
