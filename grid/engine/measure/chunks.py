"""A text as llama-perplexity cuts it: chunks of n tokens, the second half of each scored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from grid.backend import Engine, Logits, Tokenizes
from grid.cells.conversations import parse_conversations
from grid.cells.texts import read_text
from grid.cells.workload import Quality
from grid.engine.measure.conversation import PromptTokenizer
from grid.engine.measure.meter import Meter
from grid.engine.measure.model_facts import UNKNOWN, ModelFacts
from grid.engine.measure.result import need
from grid.errors import EngineError, Unsupported


class Chunk(NamedTuple):
    """The scored part of a chunk: targets [n], log_probs [n, vocabulary] in float32."""

    targets: npt.NDArray[np.int64]
    log_probs: npt.NDArray[np.float32]


def chunk_ids(
    engine: Engine, workload: Quality, meter: Meter, model: ModelFacts = UNKNOWN
) -> list[list[int]]:
    """Non-overlapping chunks of the text's ids, with BOS before them where there is one; it also
    takes the place of the first token of each chunk, as llama-perplexity has it. Conversations are
    rendered by the model's chat template, one after the other.

    Raises Unsupported if the text has fewer tokens than the chunks that were asked for, or the
    template is missing or refuses a conversation.
    """
    tokenizer = need(engine, Tokenizes)
    text = read_text(workload.text).text
    with meter.engine():
        if workload.chat:
            ids = _conversation_ids(engine, text, workload.text, model)
        else:
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


def _conversation_ids(engine: Engine, text: str, source: str, model: ModelFacts) -> list[int]:
    template, tokenizer = model.require_chat_template(), PromptTokenizer(engine)
    ids: list[int] = []
    for number, turns in enumerate(parse_conversations(text, source), start=1):
        try:
            ids += tokenizer.ids(tokenizer.render(template, turns, complete=True))
        except Unsupported as error:
            raise Unsupported(f"{source}, conversation {number}: {error}") from error
    return ids


def scored_chunks(
    engine: Engine, workload: Quality, meter: Meter, chunks: Iterable[list[int]]
) -> Iterator[Chunk]:
    """Log-probabilities at positions context/2 .. context-2, which predict the token after each,
    for each of `chunks`, ids [context].

    Raises EngineError where a logit is not finite: no figure can be made of it.
    """
    model = need(engine, Logits)
    first = workload.context // 2
    with meter.engine():
        engine.resize(workload.context)
    for number, ids in enumerate(chunks):
        meter.progress(number, workload.chunks, "chunks")
        with meter.engine():
            logits = model.logits(ids, first)[:-1]
        _refuse_broken(logits, number, first)
        yield Chunk(np.array(ids[first + 1 :], dtype=np.int64), log_softmax(logits))


def log_softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Row-wise, summed in double precision; [n, vocabulary] -> the same shape."""
    out = np.empty_like(logits)
    for number, row in enumerate(logits):  # by row: a large vocabulary's block outgrows the cache
        exact = row.astype(np.float64)
        exact -= exact.max()
        exact -= np.log(np.exp(exact).sum())
        out[number] = exact
    return out


def _refuse_broken(logits: npt.NDArray[np.float32], chunk: int, first: int) -> None:
    finite = np.isfinite(logits)
    if not finite.all():
        row, token_id = (int(index) for index in np.argwhere(~finite)[0])
        raise EngineError(
            f"the engine gave a logit of {logits[row, token_id]} (chunk {chunk + 1}, position "
            f"{first + row}, id {token_id}): its weights or kernels are broken at this precision; "
            "try another quant, engine or device"
        )
