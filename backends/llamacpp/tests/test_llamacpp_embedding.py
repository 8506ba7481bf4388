"""Vectors of texts by llama.cpp: of the tiny model, of SmolLM2, and before and after quantizing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grid_llamacpp import backend
from real_models import dequantized, quantized, smollm2

from grid.backend import Unsupported
from grid.cells.measurement import Measurement
from grid.cells.texts import RETRIEVAL, RETRIEVAL_TASK, read_items
from grid.cells.workload import Tasks
from grid.engine.measure.meter import Meter
from grid.engine.measure.tasks import tasks
from grid.results.derive import metrics_of
from grid.testing import local_node

pytestmark = pytest.mark.engine

TEXTS = ["how bees tell where food is", "a", "Bees dance on the comb. " * 20]
WORKLOAD = Tasks("embedding", RETRIEVAL, "", 60, RETRIEVAL_TASK)


@contextmanager
def loaded(path: Path) -> Iterator[Any]:
    with backend.load(path, "cpu", backend.options({"threads": 1}, local_node())) as engine:
        yield engine


def ndcg(path: Path) -> tuple[float, list[float]]:
    """nDCG@10 on the bundled set as results have it, and each query's."""
    with loaded(path) as engine:
        result = tasks(engine, WORKLOAD, Meter())
    measurement = Measurement(cell_id="", status="ok", scalars=result.scalars, items=result.items)
    metrics = {metric.name: metric.value for metric in metrics_of("tasks", WORKLOAD, measurement)}
    assert "accuracy" not in metrics
    value = metrics["ndcg_at_10"]
    assert value is not None
    return value, [item.score for item in result.items]


def test_a_vector_depends_on_its_own_text_alone() -> None:
    with loaded(dequantized(smollm2())) as engine:
        together = engine.embed(TEXTS * 10)
        alone = np.concatenate([engine.embed([text]) for text in TEXTS])
    assert together.shape == (30, 576)
    assert np.abs(together - np.tile(alone, (10, 1))).max() < 2e-3
    assert np.abs(np.linalg.norm(together, axis=1) - 1).max() < 1e-6


def test_embedding_leaves_what_is_computed_afterwards_as_it_was(
    f16: Path, load_engine: Any
) -> None:
    with load_engine(f16) as engine:
        vectors = engine.embed(["a", "a b c d e f g"])
        assert engine.pooling == "mean"
        before = engine.logits(engine.encode("a b c d"))
        engine.embed(["a"])
        assert np.array_equal(engine.logits(engine.encode("a b c d")), before)
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-4


def test_a_text_longer_than_the_model_reads_is_refused(f16: Path, load_engine: Any) -> None:
    with load_engine(f16) as engine, pytest.raises(Unsupported, match="the model reads"):
        engine.embed(["word " * 5000])


def test_quantizing_costs_retrieval_little_at_8_bits_and_it_is_far_from_guessing() -> None:
    """Of the same 60 queries, so that the two can be compared in pairs."""
    before, queries = ndcg(dequantized(smollm2()))
    after, others = ndcg(quantized(smollm2(), "Q8_0"))
    assert 0.5 < before < 0.65
    assert abs(after - before) < 0.03
    assert len(queries) == len(others) == len(read_items(RETRIEVAL, RETRIEVAL_TASK).items)
    assert np.mean(queries) == pytest.approx(before)
