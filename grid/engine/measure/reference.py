"""The 16-bit model's distribution over a text, kept once and shared by all its quants.

Small vocabularies are kept whole, in float32. Of larger ones each token keeps its most likely
entries, ids drawn from the rest in proportion to their probability, and the mass of the rest
(`sampling.py`): 2 bytes for a log-probability and 2 for an id, 3 where the vocabulary has more than
65,536. That is 1/30 of llama.cpp's file for 49,152 tokens, 1/130 for 262,144.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from grid.backend import Engine, Tokenizes
from grid.cells.workload import Quality
from grid.engine.measure import sampling
from grid.engine.measure.chunks import Chunk, chunk_ids, scored_chunks
from grid.engine.measure.meter import Meter
from grid.engine.measure.model_facts import UNKNOWN, ModelFacts
from grid.engine.measure.result import need
from grid.errors import EngineError

REFERENCE_FORMAT = 3
"""Part of a reference file's name: another layout is another file."""

WHOLE = 4096
"""Vocabularies up to this size are kept whole."""

LEAST_LOG_PROB = -60_000.0
"""Kept at least: float16 ends at -65,504, and a probability of 0 must not become a NaN."""

SCALARS = ("top", "vocabulary")
"""Fields of a reference that hold for all of its tokens."""


class Reference(NamedTuple):
    """n scored tokens: targets [n]; ids [n, k + m], k most likely ones and m drawn from the rest
    (None: all of the vocabulary, in order); log_probs [n, k + m] float32; tail_mass [n], the
    probability outside the k kept (0: none); nll [n]; argmax [n]; top1 [n], the probability of the
    most likely token; top, which is k; vocabulary, the entries that the distribution has."""

    targets: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int32] | None
    log_probs: npt.NDArray[np.float32]
    tail_mass: npt.NDArray[np.float64]
    nll: npt.NDArray[np.float64]
    argmax: npt.NDArray[np.int64]
    top1: npt.NDArray[np.float64]
    top: int
    vocabulary: int


class ReferenceTokens(NamedTuple):
    """The token ids that the reference model and every other engine are given: chunks
    [chunks, context]. `spelling` [m] is the text of each id that occurs (`used` [m]), by which
    another engine's vocabulary is known to be the same."""

    chunks: npt.NDArray[np.int64]
    used: npt.NDArray[np.int64]
    spelling: npt.NDArray[np.bytes_]


class ReferenceFile(NamedTuple):
    """What a reference file holds."""

    tokens: ReferenceTokens
    distribution: Reference


def write_reference(
    engine: Engine, workload: Quality, target: Path, meter: Meter, model: ModelFacts = UNKNOWN
) -> None:
    """Score the text with the loaded engine and write the file whole."""
    tokenizer = need(engine, Tokenizes)
    chunks = chunk_ids(engine, workload, meter, model)
    writer = ReferenceWriter()
    for chunk in scored_chunks(engine, workload, meter, chunks):
        writer.add(chunk)
    writer.write(target, tokenizer, chunks)


class ReferenceWriter:
    """Keeps what a reference file holds, chunk by chunk in the text's order."""

    def __init__(self) -> None:
        self._parts: list[dict[str, Any]] = []

    def add(self, chunk: Chunk) -> Reference:
        """Keep a chunk; it as a reader of the file will see it."""
        packed = _packed(reference_of(chunk, len(self._parts)))
        self._parts.append(packed)
        return _unpacked(dict(packed))

    def write(self, target: Path, tokenizer: Tokenizes, chunks: list[list[int]]) -> None:
        """Write the file whole, for all chunks [chunks, context] of ids."""
        columns: dict[str, Any] = {
            name: column
            if name in SCALARS
            else np.concatenate([part[name] for part in self._parts])
            for name, column in self._parts[0].items()
        }
        ids = np.array(chunks, dtype=np.int64)
        used = np.unique(ids)
        columns |= ReferenceTokens(ids, used, spelling(tokenizer, used))._asdict()
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{os.getpid()}.{target.name}")
        with temporary.open("wb") as file:
            np.savez(file, **columns)
        temporary.replace(target)


def spelling(tokenizer: Tokenizes, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.bytes_]:
    """The bytes of each id [n], in hex: numpy's own bytes lose zeros at their end."""
    return np.array([tokenizer.decode([int(token_id)]).hex() for token_id in ids], dtype=np.bytes_)


def read_reference(path: str) -> ReferenceFile:
    """Read a reference file. Raises EngineError where it is none."""
    try:
        with np.load(path, allow_pickle=False) as file:
            columns: dict[str, Any] = {name: file[name] for name in file.files}
        tokens = ReferenceTokens(**{name: columns.pop(name) for name in ReferenceTokens._fields})
        return ReferenceFile(tokens, _unpacked(columns))
    except (OSError, ValueError, TypeError, KeyError, EOFError, BadZipFile) as error:
        raise EngineError(f"reference file {path} is unreadable ({error}); delete it") from error


def reference_of(chunk: Chunk, position: int) -> Reference:
    """What is kept of a chunk; `position` is its place in the text, which seeds the draws."""
    rows, vocabulary = chunk.log_probs.shape
    nll = -chunk.log_probs[np.arange(rows), chunk.targets].astype(np.float64)
    argmax = chunk.log_probs.argmax(axis=1).astype(np.int64)
    top1 = top1_of(chunk.log_probs)
    if vocabulary <= WHOLE:
        none = np.zeros(rows)
        return Reference(
            chunk.targets, None, chunk.log_probs, none, nll, argmax, top1, vocabulary, vocabulary
        )
    ids, tail_mass = sampling.sample_ids(chunk.log_probs, position)
    log_probs = np.take_along_axis(chunk.log_probs, ids, axis=1)
    return Reference(
        chunk.targets, ids, log_probs, tail_mass, nll, argmax, top1, sampling.TOP, vocabulary
    )


def top1_of(log_probs: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Probability of the most likely token, [n, vocabulary] -> [n]."""
    largest: npt.NDArray[np.float64] = log_probs.max(axis=1).astype(np.float64)
    return np.exp(largest)


def slice_reference(reference: Reference, start: int, count: int) -> Reference:
    """`count` rows of a reference from `start` on."""
    rows = slice(start, start + count)
    columns = {
        name: column if name in SCALARS or column is None else column[rows]
        for name, column in reference._asdict().items()
    }
    return Reference(**columns)


def reference_row_bytes(vocabulary: int) -> int:
    """Bytes of a token's entries in the file, without its few single figures."""
    if vocabulary <= WHOLE:
        return 4 * vocabulary
    return (sampling.TOP + sampling.DRAWS) * (4 if vocabulary <= 2**16 else 5)


def _packed(reference: Reference) -> dict[str, Any]:
    """The columns of the file: an id's low 16 bits and, where there are any, its high 8."""
    columns = reference._asdict()
    if (ids := columns.pop("ids")) is not None:
        rounded = np.maximum(reference.log_probs, LEAST_LOG_PROB).astype(np.float16)
        columns |= {"log_probs": rounded, "ids_low": (ids & 0xFFFF).astype(np.uint16)}
        if reference.vocabulary > 2**16:
            columns["ids_high"] = (ids >> 16).astype(np.uint8)
    return columns


def _unpacked(columns: dict[str, Any]) -> Reference:
    ids = None
    if "ids_low" in columns:
        ids = columns.pop("ids_low").astype(np.int32)
        if "ids_high" in columns:
            ids |= columns.pop("ids_high").astype(np.int32) << 16
    columns["log_probs"] = columns["log_probs"].astype(np.float32)
    columns |= {name: int(columns[name]) for name in SCALARS}
    return Reference(ids=ids, **columns)
