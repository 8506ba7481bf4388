"""Perplexity and, against a reference, KL divergence: raw values per scored token."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from grid.backend import Engine, Tokenizes
from grid.cells.workload import Quality
from grid.engine.measure.chunks import Chunk, chunk_ids, scored_chunks
from grid.engine.measure.meter import Meter
from grid.engine.measure.reference import (
    Reference,
    ReferenceTokens,
    log_mass_outside,
    read_reference,
    spelling,
)
from grid.engine.measure.result import WorkloadResult, need, series
from grid.errors import EngineError, Unsupported

Floats = npt.NDArray[np.float64]


class ChunkComparison(NamedTuple):
    """Per token of a chunk, each [n]: KL divergence in nats and the most that it may lack, the
    difference of the true token's probability, 1 where both prefer the same token, and the
    reference's own nll."""

    kld: Floats
    gap: Floats
    dp: Floats
    same_top: Floats
    nll_reference: Floats


def quality(
    engine: Engine, workload: Quality, reference_path: str | None, meter: Meter
) -> WorkloadResult:
    """Score every chunk; with a reference file give the engine the same ids as the reference was
    given, and compare the distributions token by token.

    Where the vocabulary is another, the engine scores its own ids: perplexity and bits per byte are
    there, the divergence is not, and the environment says why.
    """
    tokenizer = need(engine, Tokenizes)
    reference = read_reference(reference_path) if reference_path else None
    environment: dict[str, str] = {}
    if reference is not None and (refused := vocabulary_difference(tokenizer, reference.tokens)):
        reference, environment["kld_refused"] = None, refused
    if reference is None:
        chunks = chunk_ids(tokenizer, workload, meter)
    else:
        chunks = reference.tokens.chunks.tolist()
        environment |= _own_ids(tokenizer, workload, chunks, meter)
    nll: list[Floats] = []
    compared: list[ChunkComparison] = []
    targets: list[int] = []
    for chunk in scored_chunks(engine, workload, meter, chunks):
        rows = np.arange(len(chunk.targets))
        nll.append(-chunk.log_probs[rows, chunk.targets].astype(np.float64))
        if reference is not None:
            part = _slice_reference(reference.distribution, len(targets), len(chunk.targets))
            compared.append(compare(chunk, part))
        targets.extend(chunk.targets.tolist())
    scalars = {
        "chunks": float(workload.chunks),
        "scored_bytes": float(sum(len(tokenizer.decode([token])) for token in targets)),
    }
    all_series = [series("nll", "nat", np.concatenate(nll))]
    if reference is not None:
        scalars["reference_tail_mass_max"] = float(np.exp(reference.distribution.tail.max()))
        scalars["kld_gap_mean"] = float(np.concatenate([part.gap for part in compared]).mean())
        units = {"kld": "nat", "dp": "1", "same_top": "1", "nll_reference": "nat"}
        for name, unit in units.items():
            values = np.concatenate([getattr(part, name) for part in compared])
            all_series.append(series(name, unit, values))
    return WorkloadResult(scalars=scalars, series=tuple(all_series), environment=environment)


def vocabulary_difference(tokenizer: Tokenizes, reference: ReferenceTokens) -> str:
    """Why a distribution over the engine's vocabulary cannot be compared with the reference's:
    an id of the text that it does not have, or spells otherwise. Empty if it can."""
    largest = int(reference.used.max())
    if largest >= tokenizer.vocabulary:
        return (
            f"the tokenizer differs from the reference's: it has {tokenizer.vocabulary} tokens, "
            f"the reference uses id {largest}; compare bits per byte"
        )
    spellings = spelling(tokenizer, reference.used)
    for token_id, *pair in zip(reference.used, spellings, reference.spelling, strict=True):
        if pair[0] != pair[1]:
            texts = [bytes.fromhex(text.decode()) for text in pair]
            return (
                f"the tokenizer differs from the reference's: id {token_id} is {texts[0]!r}, there "
                f"{texts[1]!r}; compare bits per byte"
            )
    return ""


def _own_ids(
    tokenizer: Tokenizes, workload: Quality, chunks: list[list[int]], meter: Meter
) -> dict[str, str]:
    """A note where the engine itself would cut the text into other tokens of the same vocabulary:
    it is given the reference's, so that the comparison holds, but its users' prompts are not."""
    try:
        same = chunk_ids(tokenizer, workload, meter) == chunks
    except Unsupported:  # fewer tokens than were asked for
        same = False
    return {} if same else {"tokenizer": "cuts this text into other tokens than the reference's"}


def compare(chunk: Chunk, reference: Reference) -> ChunkComparison:
    """KL(reference || this) over the kept entries, the rest as one lump.

    Engines differ in how many unused entries pad their vocabulary: what only one of the two has is
    left out. Raises EngineError where the reference has mass there.
    """
    rows = np.arange(len(chunk.targets))
    chunk = _pad_to_reference(chunk, reference)
    mine = chunk.log_probs
    if reference.ids is not None:
        mine = np.take_along_axis(mine, reference.ids.astype(np.int64), axis=1)
    p = np.exp(reference.log_probs.astype(np.float64))
    kld = (p * (reference.log_probs.astype(np.float64) - mine)).sum(axis=1)
    gap = np.zeros(len(rows))
    if reference.ids is not None:
        tail_mass = np.exp(reference.tail)
        lump = tail_mass * (reference.tail - log_mass_outside(chunk.log_probs, reference.ids))
        # Of the rest, p is at most the least p kept and q at least the least q there is.
        least = reference.log_probs.min(axis=1).astype(np.float64)
        most = tail_mass * (least - chunk.log_probs.min(axis=1))
        gap = np.maximum(0.0, most - lump)
        kld += lump
    nll = -chunk.log_probs[rows, chunk.targets].astype(np.float64)
    return ChunkComparison(
        kld=kld,
        gap=gap,
        dp=np.exp(-nll) - np.exp(-reference.nll),
        same_top=(chunk.log_probs.argmax(axis=1) == reference.argmax).astype(np.float64),
        nll_reference=reference.nll,
    )


PADDING_MASS = 1e-6
"""Probability above which an entry that an engine lacks is no padding."""

ABSENT = -50.0
"""Log-probability given to entries that an engine lacks: at their mass in the reference it adds at
most 5e-5 nats to a token's divergence."""


def _pad_to_reference(chunk: Chunk, reference: Reference) -> Chunk:
    """The chunk over as many entries as the reference refers to."""
    width = chunk.log_probs.shape[1]
    if reference.ids is None:
        wanted = reference.log_probs.shape[1]
        beyond = np.arange(wanted)[np.newaxis] >= width
    else:
        wanted = max(width, int(reference.ids.max()) + 1)
        beyond = reference.ids >= width
    lost = float(np.where(beyond, np.exp(reference.log_probs), 0.0).sum(axis=1).max())
    if lost > PADDING_MASS:
        raise EngineError(
            f"the engine's vocabulary ends at {width}, and the reference gives entries beyond it a "
            f"probability of {lost:.2g}"
        )
    padding = np.full((len(chunk.targets), max(0, wanted - width)), ABSENT, dtype=np.float32)
    return chunk._replace(log_probs=np.hstack((chunk.log_probs, padding))[:, :wanted])


def _slice_reference(reference: Reference, start: int, count: int) -> Reference:
    """`count` rows of a reference from `start` on."""
    rows = slice(start, start + count)
    columns: dict[str, Any] = {
        name: None if column is None else column[rows]
        for name, column in reference._asdict().items()
    }
    return Reference(**columns)
