"""Predict the size of a GGUF before it exists: bytes and bits per weight."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from grid.models.artifact import PredictedSize
from grid.models.gguf.ggml_types import TYPES_BY_NAME
from grid.models.gguf.inventory import Hyperparameters, UnquantizedTensor
from grid.models.gguf.presets import tensor_types
from grid.models.gguf.reader import DEFAULT_ALIGNMENT, GgufHeader
from grid.models.gguf.type_changes import NO_CHANGES, TypeChanges

_FIXED_BYTES = 24
"""Magic, version, number of tensors, number of metadata entries."""
_NUMBER_KEY_BYTES = 8 + 4 + 4
"""A metadata entry with a 32-bit number, its name apart."""
_ADDED_KEYS = ("general.quantization_version", "general.file_type")
"""What quantizing writes into the metadata."""
_OTHER_KEYS_BYTES = 1024
"""Names and numbers of a model, as converters write them."""
_UNKNOWN_BYTES = 16_384
"""A chat template, a licence, tags: seldom more."""
_BYTES_PER_TOKEN = 40


def predict(
    inventory: Iterable[UnquantizedTensor],
    hyperparameters: Hyperparameters,
    preset: str,
    *,
    metadata_bytes: int | None = None,
    importance_matrix: bool = False,
    changes: TypeChanges = NO_CHANGES,
) -> PredictedSize:
    """Size of the file that llama.cpp would write for `preset`.

    `metadata_bytes` is the header without the list of tensors: of the source's own header
    (`metadata_bytes_of`) or its tokenizer (`metadata_bytes_with`); None estimates it from the
    size of the vocabulary, which matters for small models only. Raises as
    `tensor_types` does, and InputError where a shape is not known.
    """
    tensors = tuple(inventory)
    types = tensor_types(
        tensors, hyperparameters, preset, importance_matrix=importance_matrix, changes=changes
    )
    sizes = [stored_bytes(tensor, types[tensor.name]) for tensor in tensors]
    if metadata_bytes is None:
        metadata_bytes = estimated_metadata_bytes(hyperparameters.n_vocab or 0)
    entries = sum(_entry_bytes(tensor.name, len(tensor.shape or ())) for tensor in tensors)
    stored = list(zip(tensors, sizes, strict=True))
    matrices = [
        (tensor, size)
        for tensor, size in stored
        if tensor.name.startswith("blk.") and len(tensor.shape or ()) > 1
    ]
    return PredictedSize(
        file_bytes=_align(metadata_bytes + entries) + sum(_align(size) for size in sizes),
        tensor_bytes=sum(sizes),
        elements=sum(tensor.elements for tensor in tensors),
        bpw_file=_bits_per_weight(stored),
        bpw_layer=_bits_per_weight(matrices or stored),
    )


def stored_bytes(tensor: UnquantizedTensor, kind: str) -> int:
    """Bytes of a tensor in a type by llama.cpp's name. Raises InputError if a shape is unknown."""
    ggml_type = TYPES_BY_NAME[kind]
    return tensor.elements // ggml_type.block * ggml_type.bytes


def metadata_bytes_of(headers: Sequence[GgufHeader]) -> int:
    """Metadata of the file that quantizing a GGUF of these parts gives.

    At most the alignment less one too much: where the list of tensors ends is not kept.
    """
    first = headers[0]
    entries = sum(_entry_bytes(tensor.name, len(tensor.dims)) for tensor in first.tensors)
    added = (key for key in _ADDED_KEYS if key not in first.metadata)
    return first.data_start - entries + sum(_NUMBER_KEY_BYTES + len(key) for key in added)


def metadata_bytes_with(
    tokenizer: Mapping[str, Any], vocabulary: int, *, chat_template: str = ""
) -> int:
    """An estimate from a tokenizer.json: its tokens and merges, and 1 KiB for the rest.

    Tokens: a length of 8 bytes, the text, a type of 4, and a score of 4 where there are no
    merges; the vocabulary is filled up to its size as converters do.
    """
    model = tokenizer.get("model") or {}
    vocab, merges = model.get("vocab") or {}, model.get("merges") or ()
    texts = [entry[0] if isinstance(entry, list | tuple) else entry for entry in vocab]
    added = [entry["content"] for entry in tokenizer.get("added_tokens") or ()]
    tokens = {str(text) for text in (*texts, *added)}
    per_token = 8 + 4 + (0 if merges else 4)
    text_bytes = sum(len(text.encode(errors="replace")) for text in tokens)
    filler_bytes = max(vocabulary - len(tokens), 0) * (per_token + len("[PAD000000]"))
    merge_texts = (merge if isinstance(merge, str) else " ".join(merge) for merge in merges)
    merge_bytes = sum(8 + len(text.encode(errors="replace")) for text in merge_texts)
    lists = per_token * len(tokens) + text_bytes + filler_bytes + merge_bytes
    return _FIXED_BYTES + _OTHER_KEYS_BYTES + len(chat_template.encode()) + lists


def estimated_metadata_bytes(vocabulary: int) -> int:
    """An estimate where only the number of tokens is known: 40 bytes each, 17 KiB for the rest.

    Byte-pair vocabularies take 35 to 60 bytes a token with their merges, others about 22.
    """
    return _FIXED_BYTES + _OTHER_KEYS_BYTES + _UNKNOWN_BYTES + _BYTES_PER_TOKEN * vocabulary


def _entry_bytes(name: str, rank: int) -> int:
    """A tensor's entry in the header: name, number of lengths, lengths, type, offset."""
    return 8 + len(name.encode()) + 4 + 8 * rank + 4 + 8


def _align(size: int) -> int:
    return -(-size // DEFAULT_ALIGNMENT) * DEFAULT_ALIGNMENT


def _bits_per_weight(stored: Sequence[tuple[UnquantizedTensor, int]]) -> float:
    elements = sum(tensor.elements for tensor, _ in stored)
    return sum(size for _, size in stored) * 8 / elements if elements else 0.0
