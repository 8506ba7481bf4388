"""Items whose answer the model writes, always by its likeliest token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from grid.backend import Engine, Generates
from grid.cells.items import Item
from grid.cells.measurement import ItemResult
from grid.cells.scoring import score_response
from grid.engine.measure.meter import Meter
from grid.engine.measure.result import need
from grid.engine.measure.stop_strings import WrittenAnswer
from grid.engine.measure.task_prompts import TaskPrompts, task_result, unanswered

BATCH_TOKENS = 2048
"""Tokens of prompts and answers that are held at once; one longer prompt stands alone."""
BATCH_PROMPTS = 16


class WritingRequest(NamedTuple):
    """An item's place among the items, its prompt's ids, and the tokens that it may write."""

    place: int
    ids: list[int]
    limit: int


def written_items(
    engine: Engine, prompts: TaskPrompts, items: Sequence[Item], meter: Meter
) -> list[ItemResult]:
    """Results in the order of the items; prompts of like length run together."""
    generator = need(engine, Generates)
    requests = [_request(prompts, place, item) for place, item in enumerate(items)]
    answers: dict[int, WrittenAnswer] = {}
    fitting = [request for request in requests if request.limit > 0]
    if fitting:
        with meter.engine():
            engine.resize(max(len(request.ids) + request.limit for request in fitting))
    for batch in _batches(fitting):
        part = [WrittenAnswer(prompts.tokenizer, items[r.place].until, r.limit) for r in batch]
        with meter.engine():
            _generate(generator, batch, part)
        answers.update(zip((request.place for request in batch), part, strict=True))
        meter.progress(len(answers), len(fitting), "answers")
    return [
        _result(prompts, item, answers[request.place], len(request.ids))
        if request.place in answers
        else unanswered(prompts, item, len(request.ids) + 1)
        for item, request in zip(items, requests, strict=True)
    ]


def _request(prompts: TaskPrompts, place: int, item: Item) -> WritingRequest:
    """Where prompt and answer do not both fit the context, the answer is shorter."""
    ids, limit = prompts.ids(item), item.max_tokens
    if prompts.context_length:
        limit = min(limit, prompts.context_length - len(ids))
    return WritingRequest(place, ids, limit)


def _batches(requests: Sequence[WritingRequest]) -> Iterator[list[WritingRequest]]:
    """Requests of one limit, for engines take one for all, in the order of their lengths."""
    ordered = sorted(requests, key=lambda request: (request.limit, len(request.ids)))
    for _, members in groupby(ordered, key=lambda request: request.limit):
        batch: list[WritingRequest] = []
        for request in members:
            tokens = sum(len(r.ids) + r.limit for r in [*batch, request])
            if batch and (tokens > BATCH_TOKENS or len(batch) == BATCH_PROMPTS):
                yield batch
                batch = []
            batch.append(request)
        yield batch


def _generate(
    generator: Generates, batch: Sequence[WritingRequest], answers: Sequence[WrittenAnswer]
) -> None:
    """Fill the answers; the engine is told which are done, and let go when all of them are."""
    ids = [request.ids for request in batch]
    stream = generator.generate(ids, batch[0].limit, ignore_eos=False, seed=0)
    send = getattr(stream, "send", None)
    try:
        index, token = next(stream)
        while True:
            answers[index].add(token)
            if all(answer.finish for answer in answers):
                return
            done = bool(answers[index].finish)
            index, token = send(True) if done and send else next(stream)
    except StopIteration:
        for answer in answers:
            answer.end()
    finally:
        close = getattr(stream, "close", None)
        if close:
            close()


def _result(
    prompts: TaskPrompts, item: Item, answer: WrittenAnswer, prompt_tokens: int
) -> ItemResult:
    verdict = score_response(item, answer.text)
    if answer.finish == "length" and answer.limit < item.max_tokens and not verdict.note:
        note = f"the model's context left {answer.limit} of {item.max_tokens} tokens to write"
        verdict = verdict._replace(note=note)
    return task_result(
        prompts.workload,
        item,
        verdict,
        response=answer.text,
        tokens=answer.tokens,
        finish=answer.finish,
        prompt_tokens=prompt_tokens,
    )
