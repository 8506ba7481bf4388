"""A text as llama-perplexity cuts it: chunks of n tokens, the second half of each scored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from grid.backend import Engine, Logits, Tokenizes
from grid.cells.texts import read_text
from grid.cells.workload import Quality
from grid.engine.measure.meter import Meter
from grid.engine.measure.result import need
from grid.errors import Unsupported

ROWS_AT_ONCE = 2**22
"""Elements whose softmax is taken at once in double precision: 32 MiB."""


class Chunk(NamedTuple):
    """The scored part of a chunk: targets [n], log_probs [n, vocabulary] in float32."""

    targets: npt.NDArray[np.int64]
    log_probs: npt.NDArray[np.float32]


def chunk_ids(tokenizer: Tokenizes, workload: Quality, meter: Meter) -> list[list[int]]:
    """Non-overlapping chunks of the text's ids, with BOS before them where there is one; it also
    takes the place of the first token of each chunk, as llama-perplexity has it.

    Raises Unsupported if the text has fewer tokens than the chunks that were asked for.
    """
    text = read_text(workload.text).text
    with meter.engine():
        ids = [] if tokenizer.bos is None else [tokenizer.bos]
        ids += tokenizer.encode(text)
    wanted = workload.chunks * workload.context
    if len(ids) < wanted:
        raise Unsupported(
            f"{workload.text} has {len(ids)} tokens here, {workload.chunks} chunks of "
            f"{workload.context} need {wanted}; at most {len(ids) // workload.context} chunks fit"
        )
    chunks = [ids[at : at + workload.context] for at in range(0, wanted, workload.context)]
    if tokenizer.bos is not None:
        for chunk in chunks:
            chunk[0] = tokenizer.bos
    return chunks


def scored_chunks(
    engine: Engine, workload: Quality, meter: Meter, chunks: Iterable[list[int]]
) -> Iterator[Chunk]:
    """Log-probabilities at positions context/2 .. context-2, which predict the token after each,
    for each of `chunks`, ids [context]."""
    model = need(engine, Logits)
    first = workload.context // 2
    with meter.engine():
        engine.resize(workload.context)
    for ids in chunks:
        with meter.engine():
            logits = model.logits(ids, first)[:-1]
        yield Chunk(np.array(ids[first + 1 :], dtype=np.int64), log_softmax(logits))


def log_softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Row-wise, summed in double precision; [n, vocabulary] -> the same shape."""
    out = np.empty_like(logits)
    rows = max(1, ROWS_AT_ONCE // logits.shape[1])
    for at in range(0, len(logits), rows):
        block = logits[at : at + rows].astype(np.float64)
        block -= block.max(axis=1, keepdims=True)
        block -= np.log(np.exp(block).sum(axis=1, keepdims=True))
        out[at : at + rows] = block
    return out
