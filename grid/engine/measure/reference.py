"""The 16-bit model's distribution over a text, kept once and shared by all its quants.

Small vocabularies are kept whole. Of larger ones each token keeps the `TOP` most likely entries and
the mass of the rest. KL divergence over the kept entries plus the rest as one lump is a lower bound
of the whole (log-sum inequality). What the lump hides is bounded too, since no entry of the rest is
likelier than the least one kept; the bound is recorded with each comparison as `kld_gap_mean`.
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
from grid.engine.measure.chunks import Chunk, chunk_ids, scored_chunks
from grid.engine.measure.meter import Meter
from grid.engine.measure.result import need
from grid.errors import EngineError

REFERENCE_FORMAT = 2
"""Part of a reference file's name: another layout is another file."""

WHOLE = 4096
"""Vocabularies up to this size are kept whole."""

TOP = 2048
"""Entries kept per token of larger ones: 16 KiB a token."""


class Reference(NamedTuple):
    """n scored tokens: targets [n]; ids [n, k] (None: all of the vocabulary, in order); log_probs
    [n, k] float32; tail [n], the log mass outside the kept entries (-inf: none); nll [n];
    argmax [n]."""

    targets: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int32] | None
    log_probs: npt.NDArray[np.float32]
    tail: npt.NDArray[np.float64]
    nll: npt.NDArray[np.float64]
    argmax: npt.NDArray[np.int64]


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


def write_reference(engine: Engine, workload: Quality, target: Path, meter: Meter) -> None:
    """Score the text with the loaded engine and write the file whole."""
    tokenizer = need(engine, Tokenizes)
    chunks = chunk_ids(tokenizer, workload, meter)
    parts = [_reference_of(chunk) for chunk in scored_chunks(engine, workload, meter, chunks)]
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in Reference._fields
        if getattr(parts[0], name) is not None
    }
    used = np.unique(np.array(chunks, dtype=np.int64))
    ids = np.array(chunks, dtype=np.int64)
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
        return ReferenceFile(tokens, Reference(**{"ids": None, **columns}))
    except (OSError, ValueError, TypeError, KeyError, EOFError, BadZipFile) as error:
        raise EngineError(f"reference file {path} is unreadable ({error}); delete it") from error


def _reference_of(chunk: Chunk) -> Reference:
    rows = np.arange(len(chunk.targets))
    nll = -chunk.log_probs[rows, chunk.targets].astype(np.float64)
    argmax = chunk.log_probs.argmax(axis=1).astype(np.int64)
    if chunk.log_probs.shape[1] <= WHOLE:
        none = np.full(len(rows), -np.inf)
        return Reference(chunk.targets, None, chunk.log_probs, none, nll, argmax)
    ids = np.argpartition(-chunk.log_probs, TOP, axis=1)[:, :TOP].astype(np.int32)
    top = np.take_along_axis(chunk.log_probs, ids, axis=1)
    return Reference(chunk.targets, ids, top, log_mass_outside(chunk.log_probs, ids), nll, argmax)


def log_mass_outside(
    log_probs: npt.NDArray[np.float32], ids: npt.NDArray[np.int32]
) -> npt.NDArray[np.float64]:
    """Log of the mass outside `ids`, [n, vocabulary] and [n, k] -> [n].

    Summed over the entries themselves: 1 - the sum of the others would be rounding, not mass.
    """
    outside = log_probs.copy()
    np.put_along_axis(outside, ids.astype(np.int64), -np.inf, axis=1)
    most = outside.max(axis=1).astype(np.float64)
    sums = [
        np.exp(row.astype(np.float64) - top).sum() for row, top in zip(outside, most, strict=True)
    ]
    return np.asarray(most + np.log(sums))
