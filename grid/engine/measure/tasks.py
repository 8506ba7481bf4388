"""Task items scored by log-likelihood, as lm-evaluation-harness scores them."""

from __future__ import annotations

from collections.abc import Sequence

from grid.backend import Engine, Scores, Tokenizes, TokenScores
from grid.cells.items import Item
from grid.cells.measurement import ItemResult
from grid.cells.texts import read_items
from grid.cells.workload import Tasks
from grid.engine.measure.meter import Meter
from grid.engine.measure.result import WorkloadResult, need
from grid.errors import Unsupported

Request = tuple[list[int], list[int]]


def tasks(engine: Engine, workload: Tasks, meter: Meter) -> WorkloadResult:
    """`choice` items: the choice with the largest summed log-likelihood (acc). `exact` items: right
    where every token of the answer is the most likely one (exact_match of a greedy decode)."""
    scorer, tokenizer = need(engine, Scores), need(engine, Tokenizes)
    items = read_items(workload.source, workload.name).items[: workload.limit]
    with meter.engine():
        requests = [_requests(tokenizer, item) for item in items]
        flat = [request for group in requests for request in group]
        engine.resize(max(len(context) + len(choice) for context, choice in flat))
        scores = iter(list(scorer.score(flat)))
    results = tuple(
        _result(workload.task_class, item, [(choice, next(scores)) for _, choice in group])
        for item, group in zip(items, requests, strict=True)
    )
    return WorkloadResult(items=results)


def _requests(tokenizer: Tokenizes, item: Item) -> list[Request]:
    """(context ids, choice ids) per choice: both are cut from the ids of the whole text, so that a
    choice is tokenized as the text it is part of. White space between the two goes to the choice,
    as lm-evaluation-harness has it, since tokenizers join it to the word that follows.

    Raises Unsupported where a side is left without a token.
    """
    start = [] if tokenizer.bos is None else [tokenizer.bos]
    context = item.context.rstrip()
    gap = item.context[len(context) :]
    split = len(tokenizer.encode(context))
    wholes = [tokenizer.encode(context + gap + choice) for choice in item.choices]
    requests = [(start + whole[:split], whole[split:]) for whole in wholes]
    if not all(before and after for before, after in requests):
        raise Unsupported(f"item {item.id}: its context or a choice has no token of its own here")
    return requests


def _result(
    task_class: str, item: Item, choices: Sequence[tuple[list[int], TokenScores]]
) -> ItemResult:
    sums = tuple(float(score.log_probs.sum()) for _, score in choices)
    if item.kind == "exact":
        answer, score = choices[0]
        chosen = 0 if score.argmax.tolist() == answer else -1
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
