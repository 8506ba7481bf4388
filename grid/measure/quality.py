"""Perplexity and, against a reference, KL divergence: raw values per scored token."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from grid.backend import Engine, Tokenizes
from grid.errors import EngineError
from grid.measure.chunks import Chunk, scored_chunks
from grid.measure.meter import Meter
from grid.measure.reference import Reference, log_rest, read_reference
from grid.measure.result import Outcome, need, series
from grid.workload import Quality

Floats = npt.NDArray[np.float64]


class Compared(NamedTuple):
    """Per token of a chunk, each [n]: KL divergence in nats and the most that it may lack, the
    difference of the true token's probability, 1 where both prefer the same token, and the
    reference's own nll."""

    kld: Floats
    gap: Floats
    dp: Floats
    same_top: Floats
    nll_reference: Floats


def quality(engine: Engine, workload: Quality, reference_path: str | None, meter: Meter) -> Outcome:
    """Score every chunk; with a reference file compare the distributions token by token."""
    reference = read_reference(reference_path) if reference_path else None
    nll: list[Floats] = []
    compared: list[Compared] = []
    targets: list[int] = []
    for chunk in scored_chunks(engine, workload, meter):
        rows = np.arange(len(chunk.targets))
        nll.append(-chunk.log_probs[rows, chunk.targets].astype(np.float64))
        if reference is not None:
            compared.append(compare(chunk, _part(reference, len(targets), chunk)))
        targets.extend(chunk.targets.tolist())
    decode = need(engine, Tokenizes).decode
    scalars = {
        "chunks": float(workload.chunks),
        "scored_bytes": float(sum(len(decode([token])) for token in targets)),
    }
    found = [series("nll", "nat", np.concatenate(nll))]
    if reference is not None:
        scalars["reference_tail_mass_max"] = float(np.exp(reference.tail.max()))
        scalars["kld_gap_mean"] = float(np.concatenate([part.gap for part in compared]).mean())
        units = {"kld": "nat", "dp": "1", "same_top": "1", "nll_reference": "nat"}
        for name, unit in units.items():
            values = np.concatenate([getattr(part, name) for part in compared])
            found.append(series(name, unit, values))
    return Outcome(scalars=scalars, series=tuple(found))


def compare(chunk: Chunk, reference: Reference) -> Compared:
    """KL(reference || this) over the kept entries, the rest as one lump."""
    rows = np.arange(len(chunk.targets))
    mine = chunk.log_probs
    if reference.ids is not None:
        mine = np.take_along_axis(mine, reference.ids.astype(np.int64), axis=1)
    p = np.exp(reference.log_probs.astype(np.float64))
    kld = (p * (reference.log_probs.astype(np.float64) - mine)).sum(axis=1)
    gap = np.zeros(len(rows))
    if reference.ids is not None:
        rest = np.exp(reference.tail)
        lump = rest * (reference.tail - log_rest(chunk.log_probs, reference.ids))
        # Of the rest, p is at most the least p kept and q at least the least q there is.
        least = reference.log_probs.min(axis=1).astype(np.float64)
        most = rest * (least - chunk.log_probs.min(axis=1))
        gap = np.maximum(0.0, most - lump)
        kld += lump
    nll = -chunk.log_probs[rows, chunk.targets].astype(np.float64)
    return Compared(
        kld=kld,
        gap=gap,
        dp=np.exp(-nll) - np.exp(-reference.nll),
        same_top=(chunk.log_probs.argmax(axis=1) == reference.argmax).astype(np.float64),
        nll_reference=reference.nll,
    )


def _part(reference: Reference, start: int, chunk: Chunk) -> Reference:
    """The reference's rows for a chunk; the token ids of both must be the same."""
    rows = slice(start, start + len(chunk.targets))
    columns: dict[str, Any] = {
        name: None if column is None else column[rows]
        for name, column in reference._asdict().items()
    }
    part = Reference(**columns)
    if not np.array_equal(part.targets, chunk.targets):
        raise EngineError("the reference was computed over other token ids; its cache is stale")
    return part
