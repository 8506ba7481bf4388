"""Task items scored by log-likelihood, as lm-evaluation-harness scores them."""

from __future__ import annotations

from collections.abc import Sequence

from grid.backend import Engine, Scores, Tokenizes, TokenScores
from grid.measure.meter import Meter
from grid.measure.result import Outcome, need
from grid.measurement import ItemResult
from grid.texts import Item, read_items
from grid.workload import Tasks

Request = tuple[list[int], list[int]]


def tasks(engine: Engine, workload: Tasks, meter: Meter) -> Outcome:
    """`choice` items: the choice with the largest summed log-likelihood (acc). `exact` items: right
    where every token of the answer is the most likely one (exact_match of a greedy decode)."""
    scorer, tokenizer = need(engine, Scores), need(engine, Tokenizes)
    items = read_items(workload.source, workload.task_class).items[: workload.limit]
    with meter.engine():
        requests = [_requests(tokenizer, item) for item in items]
        flat = [request for group in requests for request in group]
        engine.resize(max(len(context) + len(rest) for context, rest in flat))
        scores = iter(list(scorer.score(flat)))
    results = tuple(
        _result(workload.task_class, item, [(rest, next(scores)) for _, rest in group])
        for item, group in zip(items, requests, strict=True)
    )
    return Outcome(items=results)


def _requests(tokenizer: Tokenizes, item: Item) -> list[Request]:
    """(context ids, choice ids) per choice: both are cut from the ids of the whole text, so that a
    choice is tokenized as the text it is part of."""
    start = [] if tokenizer.bos is None else [tokenizer.bos]
    split = len(tokenizer.encode(item.context))
    wholes = [tokenizer.encode(item.context + choice) for choice in item.choices]
    return [(start + whole[:split], whole[split:]) for whole in wholes]


def _result(
    task_class: str, item: Item, scored: Sequence[tuple[list[int], TokenScores]]
) -> ItemResult:
    sums = tuple(float(score.log_probs.sum()) for _, score in scored)
    if item.kind == "exact":
        rest, score = scored[0]
        chosen = 0 if score.argmax.tolist() == rest else -1
    else:
        chosen = max(range(len(sums)), key=sums.__getitem__)
    return ItemResult(
        task_class=task_class,
        item=item.id,
        score=float(chosen == item.answer),
        chance=item.chance,
        chosen=chosen,
        answer=item.answer,
        log_likelihoods=sums,
    )
