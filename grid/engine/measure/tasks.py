"""The items of a task, asked of an engine as lm-evaluation-harness asks them."""

from __future__ import annotations

from collections.abc import Collection

from grid.backend import CountsTokens, Engine
from grid.cells.measurement import ItemResult
from grid.cells.texts import read_items
from grid.cells.workload import Tasks
from grid.engine.measure.conversation import PromptTokenizer
from grid.engine.measure.conversation_items import conversation_items
from grid.engine.measure.likelihood_items import likelihood_items
from grid.engine.measure.meter import Meter
from grid.engine.measure.model_facts import UNKNOWN, ModelFacts
from grid.engine.measure.result import WorkloadResult
from grid.engine.measure.retrieval_items import retrieval_items
from grid.engine.measure.task_prompts import TaskPrompts
from grid.engine.measure.written_items import written_items


def tasks(
    engine: Engine, workload: Tasks, meter: Meter, model: ModelFacts = UNKNOWN
) -> WorkloadResult:
    """Results in the order of the items.

    `choice`: the choice with the largest log-probability (acc, or acc_norm by the item's
    normalization). `exact`: right where every token of the answer is the likeliest one. `rolling`:
    the log-probability of a whole text. `generate`: greedy, up to a stop string, then scored;
    with `turns` the conversation goes on after each answer.
    `retrieval`: nDCG@10 of documents ranked by their vectors. Where the workload says `chat`,
    contexts go through the model's chat template. An item longer than the model's context is
    unanswered, which the environment says. The scalar `evaluated_tokens` is what the engine has
    computed.
    """
    items = read_items(workload.source, workload.name).items[: workload.limit]
    if any(item.kind == "retrieval" for item in items):
        return retrieval_items(engine, workload, items, meter)
    template = model.require_chat_template() if workload.chat else None
    prompts = TaskPrompts(workload, PromptTokenizer(engine), template, model.context_length)
    before = _evaluated(engine)
    results: dict[str, ItemResult] = {}
    for measure, part in (
        (likelihood_items, [item for item in items if item.kind != "generate"]),
        (written_items, [item for item in items if item.kind == "generate" and not item.turns]),
        (conversation_items, [item for item in items if item.turns]),
    ):
        if part:
            results.update(_by_id(measure(engine, prompts, part, meter)))
    after = _evaluated(engine)
    scalars = {} if before is None or after is None else {"evaluated_tokens": float(after - before)}
    return WorkloadResult(
        scalars=scalars,
        items=tuple(results[item.id] for item in items),
        environment=_unanswered(results.values()),
    )


def _unanswered(results: Collection[ItemResult]) -> dict[str, str]:
    """How many items were not asked, and why; empty where all were."""
    notes = [result.note for result in results if result.finish == "unanswered"]
    if not notes:
        return {}
    return {"unanswered": f"{len(notes)} of {len(results)} items, such as: {notes[0]}"}


def _by_id(results: list[ItemResult]) -> dict[str, ItemResult]:
    return {result.item: result for result in results}


def _evaluated(engine: Engine) -> int | None:
    return engine.evaluated_tokens if isinstance(engine, CountsTokens) else None
