"""Perplexity and, against a reference, KL divergence: raw values per scored token."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from grid.backend import Engine, Tokenizes
from grid.cells.measurement import SCORED_CHUNKS
from grid.cells.workload import Quality
from grid.engine.measure.chunks import Chunk, chunk_ids, scored_chunks
from grid.engine.measure.comparison import ChunkComparison, compare
from grid.engine.measure.meter import Meter
from grid.engine.measure.model_facts import UNKNOWN, ModelFacts
from grid.engine.measure.reference import (
    Reference,
    ReferenceTokens,
    ReferenceWriter,
    read_reference,
    slice_reference,
    spelling,
    top1_of,
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
    *,
    target: str | Path | None = None,
    probes: bool = False,
) -> WorkloadResult:
    """Score every chunk; with a reference file give the engine the same ids as the reference was
    given, and compare the distributions token by token.

    With `target` the engine is itself the reference: its distribution is written there, and its
    row is what a run against that file would give. With `probes` the run ends after the first chunk
    if that is the reference's to the last bit: then so are the others.

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
    scored = _ScoredText(None if reference is None else reference.distribution, target is not None)
    for chunk in scored_chunks(engine, workload, meter, chunks):
        scored.add(chunk)
        if probes and scored.is_reference:
            count = f"1 of {len(chunks)}"
            environment[SCORED_CHUNKS] = f"{count}: it is the reference's, bit for bit"
            break
    if scored.writer is not None and target is not None:
        scored.writer.write(Path(target), tokenizer, chunks)
    return scored.result(tokenizer, environment)


class _ScoredText:
    """The values of the chunks scored so far, compared with a reference, or with themselves as a
    reference file will hold them."""

    def __init__(self, reference: Reference | None, writes: bool) -> None:
        self._reference = reference
        self.writer = ReferenceWriter() if writes else None
        self._nll: list[Floats] = []
        self._compared: list[ChunkComparison] = []
        self._targets: list[int] = []
        self._tail_mass_max = 0.0
        self.is_reference = reference is not None
        """All chunks are the reference's to the last bit, as far as its file shows it."""

    def add(self, chunk: Chunk) -> None:
        rows = np.arange(len(chunk.targets))
        nll = -chunk.log_probs[rows, chunk.targets].astype(np.float64)
        if (part := self._part(chunk)) is not None:
            self._compared.append(compare(chunk, part))
            self._tail_mass_max = max(self._tail_mass_max, float(part.tail_mass.max()))
            self.is_reference = self.is_reference and _is_same(chunk, nll, part)
        self._nll.append(nll)
        self._targets.extend(chunk.targets.tolist())

    def _part(self, chunk: Chunk) -> Reference | None:
        if self.writer is not None:
            return self.writer.add(chunk)
        if self._reference is None:
            return None
        return slice_reference(self._reference, len(self._targets), len(chunk.targets))

    def result(self, tokenizer: Tokenizes, environment: dict[str, str]) -> WorkloadResult:
        scalars = {
            "chunks": float(len(self._nll)),
            "scored_bytes": float(sum(len(tokenizer.decode([token])) for token in self._targets)),
        }
        all_series = [series("nll", "nat", np.concatenate(self._nll))]
        if self._compared:
            scalars["reference_tail_mass_max"] = self._tail_mass_max
            variances = np.concatenate([part.kld_variance for part in self._compared])
            scalars["kld_sampling_se"] = float(np.sqrt(variances.sum())) / len(variances)
            for name, unit in COMPARED.items():
                values = np.concatenate([getattr(part, name) for part in self._compared])
                all_series.append(series(name, unit, values))
        return WorkloadResult(scalars=scalars, series=tuple(all_series), environment=environment)


def _is_same(chunk: Chunk, nll: Floats, reference: Reference) -> bool:
    """Whether the probabilities of the true and of the likeliest tokens, which the file keeps
    unrounded, are the reference's to the last bit."""
    return (
        np.array_equal(nll, reference.nll)
        and np.array_equal(chunk.log_probs.argmax(axis=1), reference.argmax)
        and np.array_equal(top1_of(chunk.log_probs), reference.top1)
    )


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
