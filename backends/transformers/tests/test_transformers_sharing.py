"""Choices share their context and items their few-shot examples, in packs without padding."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grid_transformers.context import Forward
from grid_transformers.packing import Packer

from grid.backend import token_scores
from grid.models.bundled import heldout_text
from grid.testing.fixtures import skip_unless_installed

Requests = list[tuple[list[int], list[int]]]

NEAR = 1e-3
"""Nats, in 32 bits: evaluations cut otherwise add in another order."""


@pytest.fixture(scope="module")
def engine(folder: Path, load_engine: Any) -> Iterator[Any]:
    skip_unless_installed("torch", "transformers")
    with load_engine(folder, batch=128) as loaded:
        loaded.resize(400)
        yield loaded


@pytest.fixture(scope="module")
def ids(engine: Any) -> list[int]:
    return list(engine.encode(heldout_text()[:9000]))


def requests_of(ids: list[int], shots: int, items: int, context: int = 12) -> Requests:
    """Contexts of `shots` shared tokens and others of their own, with choices of 3, 1, 2 and 4."""
    requests = []
    for start in range(shots, shots + 20 * items, 20):
        mine = ids[:shots] + ids[start : start + context]
        requests += [(mine, ids[start + context :][:size]) for size in (3, 1, 2, 4)]
    return requests


def check_scores(engine: Any, requests: Requests) -> int:
    """Scores are those of each request alone; gives the tokens that they took together."""
    list(engine.score([([1, 2], [3])]))  # what is tried once
    before = engine.evaluated_tokens
    scores = list(engine.score(requests))
    tokens = engine.evaluated_tokens - before
    for (context, continuation), shared in zip(requests, scores, strict=True):
        logits = engine.logits([*context, *continuation[:-1]], len(context) - 1)
        alone = token_scores(logits, continuation)
        assert np.abs(shared.log_probs - alone.log_probs).max() < NEAR
        assert shared.argmax.tolist() == alone.argmax.tolist()
    return int(tokens)


def test_few_shot_examples_and_each_context_are_evaluated_once(engine: Any, ids: list[int]) -> None:
    requests = requests_of(ids, 190, 9)
    assert check_scores(engine, requests) == 190 + 9 * (12 + 2 + 0 + 1 + 3)


def test_items_without_examples_are_their_context_and_choices(engine: Any, ids: list[int]) -> None:
    assert check_scores(engine, requests_of(ids, 0, 30)) == 30 * (12 + 2 + 0 + 1 + 3)


def test_a_context_longer_than_a_batch_is_evaluated_once(engine: Any, ids: list[int]) -> None:
    requests = requests_of(ids, 0, 2, context=300)
    assert check_scores(engine, requests) == 2 * (300 + 2 + 0 + 1 + 3)


def test_a_continuation_longer_than_a_batch_is_scored(engine: Any, ids: list[int]) -> None:
    assert check_scores(engine, [(ids[:3], ids[3:350])]) == 349


def test_a_model_that_ignores_the_mask_is_scored_in_rows(engine: Any, ids: list[int]) -> None:
    """A model that would see other choices in a pack is noticed, and gives the same scores."""
    model = engine._forward.model

    class Ignoring(Forward):
        def rows(self, ids: Any, cache: Any, wanted: Any, **named: Any) -> Any:
            return super().rows(ids, cache, wanted, position_ids=named["position_ids"])

    assert Packer(Forward(model, 128)).works
    assert not Packer(Ignoring(model, 128)).works


def test_rows_score_the_same(engine: Any, ids: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    packed = list(engine.score(requests_of(ids, 50, 6)))
    monkeypatch.setattr(engine._packer, "works", False)
    rows = list(engine.score(requests_of(ids, 50, 6)))
    for left, right in zip(packed, rows, strict=True):
        assert np.abs(left.log_probs - right.log_probs).max() < NEAR


def test_an_answer_that_is_done_costs_no_more_tokens(engine: Any, ids: list[int]) -> None:
    stream = engine.generate([ids[:5], ids[5:12]], 8, True, 0)
    whole = list(stream)
    before = engine.evaluated_tokens
    stream = engine.generate([ids[:5], ids[5:12]], 8, True, 0)
    tokens = [next(stream)]
    while True:
        try:
            tokens.append(stream.send(tokens[-1][0] == 0))
        except StopIteration:
            break
    assert tokens == [whole[0], *[token for token in whole if token[0] == 1]]
    assert engine.evaluated_tokens - before == 12 + 7
