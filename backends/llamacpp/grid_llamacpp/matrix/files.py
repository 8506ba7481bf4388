"""Files of importance matrices: llama-imatrix's GGUF and its older `.dat`, trusting no length."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from grid.backend import InputError
from grid.models.gguf.reader import MAX_COUNT, MAX_NAME, GgufTensor, read_header
from grid_llamacpp.matrix.importance import Importance, ImportanceMatrix

_SUMS, _COUNTS = ".in_sum2", ".counts"
_TYPE, _DATASETS = "imatrix", "imatrix.datasets"
_CHUNK_COUNT, _CHUNK_SIZE = "imatrix.chunk_count", "imatrix.chunk_size"
_HINT = "it is no importance matrix of llama-imatrix, or damaged"
_MAX_VALUES = 2**28
"""Most values of one tensor; 512 experts of 16,384 columns have 2^23."""


def read_matrix(path: Path) -> ImportanceMatrix:
    """The matrix in a file of either format. Raises InputError, one line, where it is none, and for
    values that are not finite, sums below zero or counts of nothing."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
        matrix = _read_gguf(path) if start == b"GGUF" else _read_dat(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    if not matrix.entries:
        raise InputError(f"{path}: holds no tensor; {_HINT}")
    for name, entry in matrix.entries.items():
        _check_values(path, name, entry)
    return matrix


def write_matrix(path: Path, matrix: ImportanceMatrix, dataset: str, tokens: int) -> None:
    """Write the matrix as llama-imatrix does, of pieces of `tokens` tokens of a text."""
    import gguf  # takes longer to import than all of a declaration

    writer = gguf.GGUFWriter(str(path), "")
    writer.kv_data[0].pop("general.architecture", None)
    writer.add_string("general.type", _TYPE)
    writer.add_array(_DATASETS, [dataset])
    most = max(int(entry.counts.max()) for entry in matrix.entries.values())
    writer.add_uint32(_CHUNK_COUNT, most // tokens)
    writer.add_uint32(_CHUNK_SIZE, tokens)
    for name, entry in sorted(matrix.entries.items()):
        counted = len(entry.counts)
        writer.add_tensor(name + _SUMS, entry.sums.reshape(counted, -1))
        writer.add_tensor(name + _COUNTS, entry.counts.astype(np.float32).reshape(counted, 1))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _check_values(path: Path, name: str, entry: Importance) -> None:
    if not np.isfinite(entry.sums).all():
        raise InputError(f"{path}: {name} has values that are no numbers (NaN or infinite)")
    if (entry.sums < 0).any() or (entry.counts < 0).any():
        raise InputError(f"{path}: {name} has values below zero; {_HINT}")
    if not entry.counts.any():
        raise InputError(
            f"{path}: {name} was reached by no token (count 0); compute the matrix from more text"
        )


def _read_gguf(path: Path) -> ImportanceMatrix:
    header = read_header(path)
    tensors = {tensor.name: tensor for tensor in header.tensors}
    names = [name.removesuffix(_SUMS) for name in tensors if name.endswith(_SUMS)]
    entries: dict[str, Importance] = {}
    with path.open("rb") as file:
        for name in names:
            counts_tensor = tensors.get(name + _COUNTS)
            if counts_tensor is None:
                raise InputError(f"{path}: {name} has no counts; {_HINT}")
            counts = _values(path, file, header.data_start, counts_tensor)
            sums = _values(path, file, header.data_start, tensors[name + _SUMS])
            if not len(counts) or len(sums) % len(counts):
                raise InputError(f"{path}: {name} has {len(counts)} counts of {len(sums)} sums")
            if not np.isfinite(counts).all():
                raise InputError(f"{path}: {name} has counts that are no numbers")
            whole = np.rint(counts).astype(np.int64)
            entries[name] = Importance(sums.reshape(len(counts), -1), whole)
    return ImportanceMatrix(entries)


def _values(
    path: Path, file: IO[bytes], data_start: int, tensor: GgufTensor
) -> npt.NDArray[np.float32]:
    if tensor.type.name != "F32":
        raise InputError(f"{path}: {tensor.name} is of type {tensor.type.name}, not F32")
    file.seek(data_start + tensor.offset)
    return np.frombuffer(file.read(tensor.bytes), "<f4").astype(np.float32)


def _read_dat(path: Path) -> ImportanceMatrix:
    """Entries of (length, name, calls, values, mean squares times calls); what follows is about the
    text."""
    size = path.stat().st_size
    entries: dict[str, Importance] = {}
    with path.open("rb") as file:
        count = _integer(path, file, 1, MAX_COUNT)
        for _ in range(count):
            name = file.read(_integer(path, file, 1, MAX_NAME)).decode(errors="replace")
            calls = _integer(path, file, 0, 2**31 - 1)
            length = _integer(path, file, 1, min(_MAX_VALUES, size // 4))
            raw = file.read(4 * length)
            if len(raw) != 4 * length:
                raise InputError(f"{path}: ends within {name}; {_HINT}")
            sums = np.frombuffer(raw, "<f4").astype(np.float32)
            entries[name] = Importance(sums[None, :], np.array([calls], np.int64))
    return ImportanceMatrix(entries)


def _integer(path: Path, file: IO[bytes], least: int, most: int) -> int:
    raw = file.read(4)
    value = struct.unpack("<i", raw)[0] if len(raw) == 4 else -1
    if not least <= value <= most:
        raise InputError(f"{path}: {_HINT}")
    return int(value)
