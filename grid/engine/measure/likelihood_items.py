"""Items scored by log-probability: choices, exact continuations, whole texts."""

from __future__ import annotations

from collections.abc import Sequence

from grid.backend import Engine, Scores, TokenScores
from grid.cells.items import Item
from grid.cells.measurement import ItemResult
from grid.cells.scoring import Verdict
from grid.engine.measure.meter import Meter
from grid.engine.measure.pairs import Pair
from grid.engine.measure.result import need
from grid.engine.measure.task_prompts import TaskPrompts, task_result, unanswered


def likelihood_items(
    engine: Engine, prompts: TaskPrompts, items: Sequence[Item], meter: Meter
) -> list[ItemResult]:
    """Results in the order of the items. All requests go to the engine in one call, which may
    evaluate them in any order and share what their contexts have in common."""
    scorer = need(engine, Scores)
    with meter.engine():
        pairs = [prompts.pairs(item) for item in items]
        fits = [max(map(_evaluated, group)) <= _limit(prompts) for group in pairs]
        flat = [pair for group, fit in zip(pairs, fits, strict=True) if fit for pair in group]
        if flat:
            engine.resize(max(len(context) + len(choice) for context, choice in flat))
        scored: list[TokenScores] = []
        for score in scorer.score(flat):
            scored.append(score)
            meter.progress(len(scored), len(flat), "choices")
    scores = iter(scored)
    results = []
    for item, group, fit in zip(items, pairs, fits, strict=True):
        if not fit:
            results.append(unanswered(prompts, item, max(map(_evaluated, group))))
            continue
        answers = [(choice, next(scores)) for _, choice in group]
        results.append(_result(prompts, item, answers, _asked_tokens(group)))
    return results


def _evaluated(pair: Pair) -> int:
    """Tokens that a request takes: nothing is asked after its last one."""
    return len(pair[0]) + len(pair[1]) - 1


def _asked_tokens(group: Sequence[Pair]) -> int:
    """Tokens of an item asked alone: a context that its choices share is evaluated once."""
    contexts = {tuple(context) for context, _ in group}
    return sum(map(len, contexts)) + sum(len(choice) - 1 for _, choice in group)


def _limit(prompts: TaskPrompts) -> float:
    return prompts.context_length or float("inf")


def _result(
    prompts: TaskPrompts,
    item: Item,
    answers: Sequence[tuple[list[int], TokenScores]],
    prompt_tokens: int,
) -> ItemResult:
    sums = tuple(float(score.log_probs.sum()) for _, score in answers)
    if item.kind == "rolling":
        tokens = sum(len(ids) for ids, _ in answers)
        verdict = Verdict(0.0)
        return task_result(
            prompts.workload, item, verdict, log_likelihoods=(sum(sums),), tokens=tokens
        )
    if item.kind == "exact":
        chosen = 0 if answers[0][1].argmax.tolist() == answers[0][0] else -1
    else:
        normalized = [total / _length(item, at) for at, total in enumerate(sums)]
        chosen = max(range(len(sums)), key=normalized.__getitem__)
    verdict = Verdict(float(chosen == item.answer), chosen)
    return task_result(
        prompts.workload, item, verdict, log_likelihoods=sums, prompt_tokens=prompt_tokens
    )


def _length(item: Item, at: int) -> int:
    """What a choice's log-probability is divided by: its characters (acc_norm) or UTF-8 bytes
    (acc_bytes), the space before it not counted."""
    choice = item.choices[at].removeprefix(" ")
    match item.normalization:
        case "characters":
            return max(len(choice), 1)
        case "bytes":
            return max(len(choice.encode()), 1)
    return 1
