"""Scores answers by a judge's ratings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import msgspec

from grid.cells.items import TURN_BREAK, Item
from grid.cells.measurement import ItemResult
from grid.errors import EngineError, Unsupported
from grid.plan.sweep import JudgeTable
from grid.sweep.judge.endpoint import JudgeEndpoint, Turn
from grid.sweep.judge.prompt import PROMPT_VERSION, REMINDER, judge_prompt, read_rating, score_of
from grid.sweep.judge.questions import JudgeDocument

REQUESTS_AT_ONCE = 4

MOST_UNRATED = 0.05
"""Share of the questions that may lack a rating; beyond it the judge cannot do this."""

UNANSWERED = "unanswered"

_decode = msgspec.json.Decoder(JudgeDocument).decode


class Rating(NamedTuple):
    """A judge's rating of an answer, None where it gave none that can be read; `model` is what the
    endpoint calls the judge."""

    value: float | None
    model: str = ""


class JudgedItems(NamedTuple):
    """Results with their scores, and what a row's environment says of the judge."""

    results: list[ItemResult]
    facts: dict[str, str]


def is_judged(items: Sequence[Item]) -> bool:
    """Whether a judge rates answers to some of the items."""
    return any(item.scoring == "judge" for item in items)


class JudgeScorer:
    """Asks the judge that a sweep names; None: it names none."""

    def __init__(self, judge: JudgeTable | None, endpoint: JudgeEndpoint | None = None) -> None:
        self._judge = judge
        self._endpoint = endpoint or (JudgeEndpoint(judge) if judge is not None else None)
        self._answers = False

    def check(self, items: Sequence[Item]) -> None:
        """Ask the judge a word, before a model writes for hours; once, where it answers.

        Raises EngineError where it does not, Unsupported where the items name another judge.
        """
        endpoint = self._require()
        for item in items:
            document = _document(item)
            if item.scoring == "judge" and self._judge is not None:
                expected = (self._judge.model, PROMPT_VERSION)
                if (document.judge, document.prompt) != expected:
                    raise Unsupported(
                        f"item {item.id} is for the judge {document.judge} with prompt "
                        f"{document.prompt}, the sweep's is {expected[0]} with prompt {expected[1]}"
                    )
        if not self._answers:
            endpoint.ask([{"role": "user", "content": "Reply with the word ready."}])
            self._answers = True

    def score(self, items: Sequence[Item], results: Sequence[ItemResult]) -> JudgedItems:
        """The results with their scores, in the same order; others stay as they are.

        Raises EngineError where the judge does not answer, or answers without ratings.
        """
        by_id = {item.id: item for item in items if item.scoring == "judge"}
        answered = [
            (by_id[result.item], result)
            for result in results
            if result.item in by_id and result.finish != UNANSWERED
        ]
        ratings = self._ratings(answered)
        updates = {
            result.item: _rated(item, result, rated, _document(item).judge)
            for (item, result), rated in zip(answered, ratings, strict=True)
        }
        self._check_share([rating for rated in ratings for rating in rated])
        models = {rating.model for rated in ratings for rating in rated if rating.model}
        scored = [updates.get(result.item, result) for result in results]
        return JudgedItems(scored, _facts(items, models))

    def _require(self) -> JudgeEndpoint:
        if self._endpoint is None:
            raise Unsupported("its answers are rated by a judge, and tasks.judge is not set")
        return self._endpoint

    def _ratings(self, answered: Sequence[tuple[Item, ItemResult]]) -> list[list[Rating]]:
        """For each result the ratings of its turns; several requests run at once."""
        self._require()
        prompts = [_prompts(item, result) for item, result in answered]
        flat = [prompt for turns in prompts for prompt in turns]
        pool = ThreadPoolExecutor(REQUESTS_AT_ONCE, thread_name_prefix="judge")
        try:
            ratings = list(pool.map(self._rate, flat))
        finally:
            pool.shutdown(cancel_futures=True)
        ordered = iter(ratings)
        return [[next(ordered) for _ in turns] for turns in prompts]

    def _rate(self, prompt: list[dict[str, str]]) -> Rating:
        """A rating; the judge is reminded once where its reply has none."""
        endpoint = self._require()
        turns: list[Turn] = list(prompt)
        reply = endpoint.ask(turns)
        value = read_rating(reply.text)
        if value is None:
            turns += [
                {"role": "assistant", "content": reply.text or "(no text)"},
                {"role": "user", "content": REMINDER},
            ]
            reply = endpoint.ask(turns)
            value = read_rating(reply.text)
        return Rating(value, reply.model)

    def _check_share(self, ratings: Sequence[Rating]) -> None:
        missing = sum(rating.value is None for rating in ratings)
        if missing > max(1, MOST_UNRATED * len(ratings)):
            raise EngineError(
                f"{self._require().place}: {missing} of {len(ratings)} replies have no rating "
                "such as [[7]] on their last line, even when reminded; name another judge"
            )


def _document(item: Item) -> JudgeDocument:
    try:
        return _decode(item.document)
    except msgspec.MsgspecError as error:
        raise EngineError(f"item {item.id}: its document names no judge ({error})") from None


def _prompts(item: Item, result: ItemResult) -> list[list[dict[str, str]]]:
    """What the judge is asked of each answered turn."""
    question = item.messages[-1].content if item.messages else item.context
    questions = (question, *item.turns)
    answers = result.response.split(TURN_BREAK)
    references = (*_document(item).references, *[""] * len(questions))
    return [
        judge_prompt(questions, answers[:turn], references) for turn in range(1, len(answers) + 1)
    ]


def _rated(item: Item, result: ItemResult, ratings: Sequence[Rating], judge: str) -> ItemResult:
    """The mean of its ratings as score. A turn that the model could not be asked counts as 0; one
    without a rating does not count, and an item without any is unanswered."""
    scores = [score_of(rating.value) for rating in ratings if rating.value is not None]
    stated = ", ".join("none" if r.value is None else f"{r.value:g}" for r in ratings)
    note = "; ".join([f"rated {stated} by {judge}", *([result.note] if result.note else [])])
    if not scores:
        return msgspec.structs.replace(result, score=0.0, finish=UNANSWERED, note=note)
    missing = 1 + len(item.turns) - len(ratings)
    score = sum(scores) / (len(scores) + missing)
    return msgspec.structs.replace(result, score=score, note=note)


def _facts(items: Sequence[Item], models: set[str]) -> dict[str, str]:
    document = next(_document(item) for item in items if item.scoring == "judge")
    served = sorted(models - {document.judge})
    return {
        "task_judge": document.judge,
        "task_judge_prompt": str(document.prompt),
        "task_metric": "judge's rating, 1 to 10 as 0 to 1",
        **({"task_judge_served": json.dumps(served)} if served else {}),
    }
