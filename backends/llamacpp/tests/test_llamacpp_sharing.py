"""Choices share their context and items their few-shot examples: counted in tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grid_llamacpp import backend
from grid_llamacpp.scoring import token_scores
from real_models import dequantized, gemma3_270m, smollm2

from grid.engine.measure.conversation import PromptText, PromptTokenizer
from grid.engine.measure.pairs import encode_pair
from grid.models import bundled
from grid.models.bundled import heldout_text, size_dir
from grid.testing import local_node

pytestmark = pytest.mark.engine

NEAR = 0.05
"""Nats: evaluations cut into other batches round otherwise."""


def requests_of(ids: list[int], shots: int, items: int) -> list[tuple[list[int], list[int]]]:
    """Contexts of `shots` shared tokens and 12 of their own, with choices of 3, 1, 2 and 4."""
    requests = []
    for start in range(shots, shots + 16 * items, 16):
        context = ids[:shots] + ids[start + 16 : start + 28]
        requests += [(context, ids[start + 28 :][:size]) for size in (3, 1, 2, 4)]
    return requests


def check_shared(engine: Any, requests: Any, shots: int, items: int) -> None:
    """Scores are those of each request alone, for the examples once and each context once."""
    before = engine.evaluated_tokens
    scores = list(engine.score(requests))
    assert engine.evaluated_tokens - before == shots + items * (12 + 2 + 0 + 1 + 3)
    for (context, continuation), shared in list(zip(requests, scores, strict=True))[::7]:
        logits = engine.logits([*context, *continuation[:-1]], len(context) - 1)
        alone = token_scores(logits, continuation)
        assert np.abs(shared.log_probs - alone.log_probs).max() < NEAR


def test_few_shot_examples_are_evaluated_once(f16: Path, load_engine: Any) -> None:
    with load_engine(f16, batch=64, ubatch=32) as engine:
        engine.resize(240)
        check_shared(engine, requests_of(engine.encode(heldout_text()[:9000]), 190, 30), 190, 30)


@pytest.mark.parametrize("model", [smollm2, gemma3_270m])
def test_a_real_model_shares_them_too(model: Any) -> None:
    """At 16 bits, for rounded activations differ with the batch. The examples exceed the
    sliding window of Gemma, 512 tokens."""
    path = dequantized(model())
    with backend.load(path, "cpu", backend.options({"threads": 1}, local_node())) as engine:
        engine.resize(640)
        check_shared(engine, requests_of(engine.encode(heldout_text()[:9000]), 600, 4), 600, 4)


@pytest.fixture(scope="module")
def bundled_small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("bundled") / "small-F16.gguf"
    backend.quantize(size_dir("small"), "F16", target, 1)
    return target


@pytest.mark.parametrize("task", bundled.TASK_CLASSES)
def test_bundled_items_are_their_contexts_and_choices_at_most(
    bundled_small: Path, load_engine: Any, task: str
) -> None:
    with load_engine(bundled_small) as engine:
        tokenizer = PromptTokenizer(engine)
        pairs = [
            [encode_pair(tokenizer, PromptText(item.context), choice) for choice in item.choices]
            for item in bundled.items(task)[:40]
        ]
        requests = [pair for group in pairs for pair in group]
        before = engine.evaluated_tokens
        assert len(list(engine.score(requests))) == len(requests)
        most = sum(
            len(group[0][0]) + sum(len(choice) - 1 for _, choice in group) for group in pairs
        )
        assert 0 < engine.evaluated_tokens - before <= most
