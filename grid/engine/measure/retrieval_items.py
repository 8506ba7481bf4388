"""Items of retrieval: documents ranked by how near their vectors are to the query's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grid.backend import Embeds, Engine
from grid.cells.items import Item
from grid.cells.measurement import ItemResult
from grid.cells.retrieval import ndcg
from grid.cells.workload import Tasks
from grid.engine.measure.meter import Meter
from grid.engine.measure.result import WorkloadResult, need
from grid.errors import EngineError, Unsupported


def retrieval_items(
    engine: Engine, workload: Tasks, items: Sequence[Item], meter: Meter
) -> WorkloadResult:
    """Each query's nDCG@10 as its item's score. Every text is embedded once, whatever number of
    items it is in; nearness is the cosine, and of two as near the first comes first.

    The scalar `documents` is their number. Raises Unsupported for a set that has other items too.
    """
    if any(item.kind != "retrieval" for item in items):
        raise Unsupported("a set with items of retrieval can have no others; put those in a file")
    embedder = need(engine, Embeds)
    queries = list(dict.fromkeys(item.context for item in items))
    documents = list(dict.fromkeys(text for item in items for text in item.choices))
    with meter.engine():
        vectors = embedder.embed([*queries, *documents])
    if not np.isfinite(vectors).all():
        raise EngineError("the engine gave a vector that holds no finite numbers")
    similarity = vectors[: len(queries)] @ vectors[len(queries) :].T
    rows = {query: row for row, query in enumerate(queries)}
    columns = {text: column for column, text in enumerate(documents)}
    results = []
    for item in items:
        near = similarity[rows[item.context], [columns[text] for text in item.choices]]
        order = np.argsort(-near, kind="stable").tolist()
        results.append(_result(workload, item, order))
    return WorkloadResult(
        scalars={"documents": float(len(documents))},
        items=tuple(results),
        environment={"pooling": embedder.pooling},
    )


def _result(workload: Tasks, item: Item, order: list[int]) -> ItemResult:
    return ItemResult(
        task_class=workload.task_class,
        task=workload.task,
        item=item.id,
        score=ndcg(item.relevance, order),
        chance=item.chance,
        chosen=order[0],
        answer=item.answer,
        log_likelihoods=(),
        group=item.group,
    )
