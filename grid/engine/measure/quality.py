"""Perplexity and, against a reference, KL divergence: raw values per scored token."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from grid.backend import Engine, Tokenizes
from grid.cells.workload import Quality
from grid.engine.measure.chunks import chunk_ids, scored_chunks
from grid.engine.measure.comparison import ChunkComparison, compare
from grid.engine.measure.meter import Meter
from grid.engine.measure.model_facts import UNKNOWN, ModelFacts
from grid.engine.measure.reference import (
    ReferenceTokens,
    read_reference,
    slice_reference,
    spelling,
)
from grid.engine.measure.result import WorkloadResult, need, series
from grid.errors import Unsupported

Floats = npt.NDArray[np.float64]


COMPARED = {
    "kld": "nat",
    "kld_reverse": "nat",
    "dp": "1",
    "same_top": "1",
    "nll_reference": "nat",
    "top1_reference": "1",
}
"""Series per scored token that a comparison with a reference adds, with their units."""


def quality(
    engine: Engine,
    workload: Quality,
    reference_path: str | None,
    meter: Meter,
    model: ModelFacts = UNKNOWN,
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
        chunks = chunk_ids(engine, workload, meter, model)
    else:
        chunks = reference.tokens.chunks.tolist()
        environment |= _own_ids(engine, workload, chunks, meter, model)
    nll: list[Floats] = []
    compared: list[ChunkComparison] = []
    targets: list[int] = []
    for chunk in scored_chunks(engine, workload, meter, chunks):
        rows = np.arange(len(chunk.targets))
        nll.append(-chunk.log_probs[rows, chunk.targets].astype(np.float64))
        if reference is not None:
            part = slice_reference(reference.distribution, len(targets), len(chunk.targets))
            compared.append(compare(chunk, part))
        targets.extend(chunk.targets.tolist())
    scalars = {
        "chunks": float(workload.chunks),
        "scored_bytes": float(sum(len(tokenizer.decode([token])) for token in targets)),
    }
    all_series = [series("nll", "nat", np.concatenate(nll))]
    if reference is not None:
        scalars["reference_tail_mass_max"] = float(reference.distribution.tail_mass.max())
        variances = np.concatenate([part.kld_variance for part in compared])
        scalars["kld_sampling_se"] = float(np.sqrt(variances.sum())) / len(variances)
        for name, unit in COMPARED.items():
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
    engine: Engine, workload: Quality, chunks: list[list[int]], meter: Meter, model: ModelFacts
) -> dict[str, str]:
    """A note where the engine itself would cut the text into other tokens of the same vocabulary:
    it is given the reference's, so that the comparison holds, but its users' prompts are not."""
    try:
        same = chunk_ids(engine, workload, meter, model) == chunks
    except Unsupported:  # fewer tokens than were asked for
        same = False
    return {} if same else {"tokenizer": "cuts this text into other tokens than the reference's"}
