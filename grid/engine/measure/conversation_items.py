"""Items whose user goes on after the model's answer: each turn sees the answers before it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from grid.backend import Engine
from grid.cells.items import TURN_BREAK, Item, after_answer
from grid.cells.measurement import ItemResult
from grid.engine.measure.meter import Meter
from grid.engine.measure.task_prompts import TaskPrompts
from grid.engine.measure.written_items import written_items


def conversation_items(
    engine: Engine, prompts: TaskPrompts, items: Sequence[Item], meter: Meter
) -> list[ItemResult]:
    """Results in the order of the items. The conversations go on together, turn by turn; one whose
    next prompt the model's context does not hold ends there, and its note says so."""
    answers: dict[str, list[ItemResult]] = {item.id: [] for item in items}
    pending = list(items)
    while pending:
        results = written_items(engine, prompts, pending, meter)
        for item, result in zip(pending, results, strict=True):
            answers[item.id].append(result)
        pending = [
            after_answer(item, result.response)
            for item, result in zip(pending, results, strict=True)
            if item.turns and result.finish != "unanswered"
        ]
    return [_joined(answers[item.id]) for item in items]


def _joined(answers: Sequence[ItemResult]) -> ItemResult:
    """The whole conversation as a result; it is unanswered where its first turn is."""
    written = [answer for answer in answers if answer.finish != "unanswered"]
    if not written:
        return answers[0]
    notes = [f"turn {turn}: {answer.note}" for turn, answer in enumerate(answers, 1) if answer.note]
    mark = TURN_BREAK.strip("\n")
    earlier = sum(answer.tokens for answer in written[:-1])
    return msgspec.structs.replace(
        written[-1],
        response=TURN_BREAK.join(answer.response.replace(mark, "") for answer in written),
        tokens=sum(answer.tokens for answer in written),
        note="; ".join(notes),
        # The cache holds what was written before: it was computed when it was written.
        prompt_tokens=max(0, (written[-1].prompt_tokens or 0) - earlier),
    )
