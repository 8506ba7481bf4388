"""One loaded engine, for real, on a CPU: its numbers against the model computed by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vllm_truth
from grid_vllm import backend, probe
from vllm_truth import divergence, log_softmax

from grid.backend import Generates, Logits, Quantizes, Scores, Steps, Tokenizes
from grid.errors import EngineError, Unsupported
from grid.models.bundled import heldout_text


@pytest.fixture(scope="module")
def engine(folder: Path, load_engine: Any) -> Iterator[Any]:
    """The model in 32 bits with room for 600 tokens, prompts cut at 200."""
    with load_engine(folder, dtype="float32", max_len=600, batch=200) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def ids(engine: Any) -> list[int]:
    text = heldout_text()[:4000]
    return [engine.bos, *engine.encode(text)][:500]


def test_declared_capabilities_are_implemented(engine: Any) -> None:
    kinds = {
        "tokenizes": Tokenizes,
        "scores": Scores,
        "logits": Logits,
        "steps": Steps,
        "generates": Generates,
    }
    implemented = {name for name, kind in kinds.items() if isinstance(engine, kind)}
    implemented |= {"quantizes"} if isinstance(backend, Quantizes) else set()
    assert implemented == backend.capabilities


def test_logits_are_those_of_the_model_computed_by_hand(
    engine: Any, folder: Path, ids: list[int]
) -> None:
    """Over three pieces of the prompt, the last of which is shorter."""
    mine, truth = engine.logits(ids), vllm_truth.logits(folder, ids)
    assert divergence(truth, mine) < 1e-6
    assert np.abs(log_softmax(mine) - log_softmax(truth)).max() < 0.01


@pytest.mark.parametrize("first", [0, 1, 199, 200, 201, 499])
def test_rows_begin_where_asked(engine: Any, ids: list[int], first: int) -> None:
    rows = engine.logits(ids, first)
    assert np.array_equal(rows, engine.logits(ids)[first:])


@pytest.mark.parametrize("length", [1, 2, 200, 201, 202, 400, 401])
def test_every_length_of_prompt_gives_a_row_a_token(
    engine: Any, ids: list[int], length: int
) -> None:
    rows = engine.logits(ids[:length])
    assert rows.shape == (length, 1024)
    assert np.abs(rows - engine.logits(ids)[:length]).max() < 0.02


def test_scores_are_the_log_probabilities_of_the_logits(engine: Any, ids: list[int]) -> None:
    (answer,) = engine.score([(ids[:100], ids[100:450])])
    expected = log_softmax(engine.logits(ids[:450]))[99:449]
    assert np.abs(answer.log_probs - expected[np.arange(350), ids[100:450]]).max() < 1e-3
    assert (answer.argmax == expected.argmax(axis=1)).mean() > 0.99


def test_many_requests_are_answered_in_order(engine: Any, ids: list[int]) -> None:
    requests = [(ids[:at], ids[at : at + 3]) for at in range(1, 41)]
    together = list(engine.score(requests))
    alone = [next(iter(engine.score([request]))) for request in requests[::8]]
    for single, batched in zip(alone, together[::8], strict=True):
        assert np.abs(single.log_probs - batched.log_probs).max() < 1e-3


def test_an_answer_left_unread_leaves_the_engine_usable(engine: Any, ids: list[int]) -> None:
    stream = engine.generate([ids[:50]], 100, True, 0)
    next(stream)
    stream.close()
    assert engine.logits(ids[:10]).shape == (10, 1024)
    assert len(list(engine.generate([ids[:50]], 5, True, 0))) == 5


def test_generation_fills_the_context_and_no_more(engine: Any, ids: list[int]) -> None:
    assert len(list(engine.generate([ids], 101, True, 0))) == 101
    with pytest.raises(EngineError, match="601 tokens asked, the context has room for 600"):
        list(engine.generate([ids], 102, True, 0))


def test_a_text_ends_where_the_model_ends_it(engine: Any, ids: list[int]) -> None:
    """Drawn texts of this model end soon; the id that ended one is its last, and only there."""
    ended = [list(engine.generate([ids[:20]], 400, False, seed)) for seed in range(1, 5)]
    texts = [[token for _, token in text] for text in ended]
    assert all(0 not in text[:-1] for text in texts)
    assert any(len(text) < 400 and text[-1] == 0 for text in texts)


def test_a_longer_context_than_was_loaded_is_unsupported(engine: Any) -> None:
    engine.resize(600)
    with pytest.raises(Unsupported, match="loaded for 600; set the option max_len"):
        engine.resize(700)


def test_the_cache_holds_the_longest_sequence(engine: Any, folder: Path) -> None:
    layers = backend.inspect(folder).model.layers
    row = sum(layer.key + layer.value for layer in layers) * 4
    assert engine.memory_report() == {"kv_buffer_bytes": 7 * 128 * row}


def test_environment_says_what_computed(engine: Any) -> None:
    environment = engine.environment()
    assert environment["engine"] == engine.version == probe.package_version()
    assert (environment["dtype"], environment["quantization"], environment["threads"]) == (
        "float32",
        "none",
        "1",
    )
    assert (environment["device"], environment["activations"]) == ("cpu", "stay at float32")
    assert "UnquantizedLinearMethod" in environment["kernels"]


def test_a_process_holds_one_model_at_a_time(engine: Any, folder: Path, load_engine: Any) -> None:
    with pytest.raises(EngineError, match="one model at a time in a process"), load_engine(folder):
        pass
    assert engine.logits([0, 1, 2]).shape == (3, 1024)
