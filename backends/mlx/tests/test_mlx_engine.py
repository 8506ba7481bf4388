"""The loaded engine: logits, scores, steps, generation, memory, errors."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlx_truth
import numpy as np
import pytest
from grid_mlx import backend
from grid_mlx.scoring import token_scores
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.backend import Generates, Logits, Scores, Steps, Tokenizes
from grid.errors import EngineError, Unsupported
from grid.hardware.node import Node
from grid.testing import Case, Expected, check, declared_rules
from grid.testing.fixtures import copy_folder

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("mlx_lm") is None, reason="mlx-lm is not installed here"
)

IDS = [0, 17, 258, 80, 3, 99, 200, 261, 45, 45, 12, 7]
NEAR = 1e-3
"""Nats: rounding of 32 bits in logits of up to 20, summed over rows of 768."""


@pytest.fixture(scope="module")
def engine(folder: Path, load_engine: Any) -> Iterator[Any]:
    with load_engine(folder) as loaded:
        yield loaded


def expected(path: Path) -> Expected:
    """The true log-probabilities of these weights; of a text there are none."""
    rows = mlx_truth.forward(path, IDS)
    log_probs = rows - np.log(np.exp(rows).sum(1, keepdims=True))
    taken = log_probs[np.arange(len(IDS) - 1), IDS[1:]]
    return Expected(ids=tuple(IDS), log_probs=tuple(taken.tolist()), source="numpy", near=NEAR)


RULES = sorted({*declared_rules(backend)} - {"text_becomes_the_tokens_of_the_reference"})


@pytest.mark.parametrize("name", RULES)
def test_sixteen_bits_conform(name: str, folder: Path, node: Node) -> None:
    case = Case(backend, folder, node, expected=expected(folder), recipe="mlx-4bit-g64")
    assert check(name, case) == "ran"


@pytest.mark.parametrize("name", RULES)
def test_four_bits_conform(name: str, four_bits: Path, folder: Path, node: Node) -> None:
    case = Case(
        backend,
        four_bits,
        node,
        expected=expected(four_bits),
        recipe="mlx-mxfp4",
        source=folder,
        tokens=16,
    )
    assert check(name, case) == "ran"


def test_probe_names_version_and_devices(node: Node) -> None:
    availability = backend.probe(node)
    assert availability.ready
    assert availability.version == "mlx 0.32.4, mlx-lm 0.32.2"
    assert availability.devices[-1] == "cpu"


@pytest.mark.parametrize("kind", [Tokenizes, Scores, Logits, Steps, Generates])
def test_declared_capabilities_are_implemented(engine: Any, kind: type) -> None:
    assert isinstance(engine, kind)


def test_logits_are_the_models(engine: Any, folder: Path) -> None:
    assert np.abs(engine.logits(IDS) - mlx_truth.forward(folder, IDS)).max() < NEAR


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_quantized_logits_are_those_of_the_unpacked_weights(
    folder: Path, tmp_path: Path, load_engine: Any, bits: int
) -> None:
    backend.quantize(folder, f"mlx-{bits}bit-g64", tmp_path / "m", 1)
    with load_engine(tmp_path / "m") as engine:
        assert np.abs(engine.logits(IDS) - mlx_truth.forward(tmp_path / "m", IDS)).max() < NEAR


def test_sixteen_bit_arithmetic_comes_near_the_truth(folder: Path, load_engine: Any) -> None:
    with load_engine(folder, dtype="checkpoint") as engine:
        environment = engine.environment()
        assert (environment["activations"], environment["weights"]) == ("float16", "float16")
        assert np.abs(engine.logits(IDS) - mlx_truth.forward(folder, IDS)).max() < 0.1


def test_the_family_starts_a_text_as_llama_cpp_does(engine: Any) -> None:
    assert (engine.bos, engine.vocabulary) == (0, 1024)


def test_encoding_parses_no_special_token(engine: Any) -> None:
    assert 0 not in engine.encode("<|endoftext|>the")
    assert engine.decode(engine.encode("<|endoftext|>the")) == b"<|endoftext|>the"


@pytest.mark.parametrize("batch", [1, 5, 8])
def test_logits_of_a_text_longer_than_a_piece_are_the_same(
    engine: Any, folder: Path, load_engine: Any, batch: int
) -> None:
    with load_engine(folder, batch=batch) as cut:
        assert np.abs(cut.logits(IDS, 5) - engine.logits(IDS)[5:]).max() < NEAR


def test_a_quantized_cache_is_smaller_and_near(engine: Any, folder: Path, load_engine: Any) -> None:
    with load_engine(folder, kv_bits=8) as small:
        assert np.abs(small.logits(IDS) - engine.logits(IDS)).max() < 0.2
        small.prefill(IDS)
        expected = backend.inspect(folder).model.kv_bytes(256, 1 + 8 / 64, 1 + 8 / 64)
        assert small.memory_report()["kv_buffer_bytes"] == expected


REQUEST = st.tuples(
    st.lists(st.integers(1, 1023), min_size=1, max_size=20),
    st.lists(st.lists(st.integers(1, 1023), min_size=1, max_size=6), min_size=1, max_size=5),
)


@settings(max_examples=10, deadline=None)
@given(items=st.lists(REQUEST, max_size=4))
def test_scores_of_choices_together_are_those_of_each_alone(
    folder: Path, load_engine: Any, items: list[tuple[list[int], list[list[int]]]]
) -> None:
    requests = [
        (context, continuation)
        for context, continuations in items
        for continuation in continuations
    ]
    with load_engine(folder, batch=16) as engine:
        for (context, continuation), answer in zip(requests, engine.score(requests), strict=True):
            logits = engine.logits([*context, *continuation[:-1]], len(context) - 1)
            assert (
                np.abs(answer.log_probs - token_scores(logits, continuation).log_probs).max() < NEAR
            )


def test_probabilities_of_every_next_token_sum_to_one(engine: Any) -> None:
    scores = engine.score([(IDS[:4], [token]) for token in range(1024)])
    assert sum(np.exp(answer.log_probs[0]) for answer in scores) == pytest.approx(1.0, abs=1e-6)


def test_steps_continue_a_prefill(engine: Any) -> None:
    engine.reset()
    engine.prefill(IDS[:8])
    for token in IDS[8:-1]:
        engine.step(token)
    assert np.abs(_next(engine, IDS[-1]) - engine.logits(IDS)[-1]).max() < NEAR


def test_a_truncated_context_goes_on_as_if_the_rest_had_not_been(engine: Any) -> None:
    engine.reset()
    engine.prefill(IDS)
    engine.truncate(6)
    engine.prefill([9, 9, 9])
    engine.truncate(6)
    assert np.abs(_next(engine, IDS[6]) - engine.logits(IDS[:7])[-1]).max() < NEAR


def _next(engine: Any, token: int) -> Any:
    """Logits after one more token of the steps' context."""
    return np.array(engine._forward([[token]], engine._cache)[0, -1])


@pytest.fixture
def windowed(folder: Path, tmp_path: Path) -> Path:
    """The same weights, every second layer with a window of four tokens."""
    layers = json.loads((folder / "config.json").read_text())["num_hidden_layers"]
    kinds = ["full_attention", "sliding_attention"] * (layers // 2)
    return copy_folder(folder, tmp_path / "windowed", layer_types=kinds, sliding_window=4)


def test_windows_that_cannot_be_cut_are_filled_again(windowed: Path, load_engine: Any) -> None:
    with load_engine(windowed) as engine:
        engine.prefill(IDS)
        engine.truncate(6)
        assert np.abs(_next(engine, IDS[6]) - engine.logits(IDS[:7])[-1]).max() < NEAR


def test_choices_are_scored_one_by_one_where_layers_have_windows(
    windowed: Path, load_engine: Any
) -> None:
    with load_engine(windowed) as engine:
        for continuation, answer in zip(
            ([5, 6], [7]), engine.score([(IDS, [5, 6]), (IDS, [7])]), strict=True
        ):
            expected = token_scores(
                engine.logits([*IDS, *continuation[:-1]], len(IDS) - 1), continuation
            )
            assert np.abs(answer.log_probs - expected.log_probs).max() < NEAR


def test_windows_have_no_quantized_cache(windowed: Path, load_engine: Any) -> None:
    with (
        pytest.raises(Unsupported, match="kv_bits = 8: MLX quantizes"),
        load_engine(windowed, kv_bits=8),
    ):
        pass


def test_a_full_context_is_an_error(engine: Any) -> None:
    engine.resize(64)
    engine.prefill([5] * 64)
    with pytest.raises(EngineError, match="65 tokens asked, the context has room for 64"):
        engine.step(5)
    engine.resize(256)


def test_greedy_generation_takes_the_most_likely_token(engine: Any) -> None:
    tokens = [token for _, token in engine.generate([IDS], 5, True, 0)]
    assert tokens == engine.logits([*IDS, *tokens[:-1]], len(IDS) - 1).argmax(1).tolist()


def test_several_prompts_are_generated_as_alone(engine: Any) -> None:
    together = list(engine.generate([IDS, IDS[:5]], 4, True, 0))
    alone = [[t for _, t in engine.generate([p], 4, True, 0)] for p in (IDS, IDS[:5])]
    assert [[t for i, t in together if i == index] for index in range(2)] == alone


def test_a_seed_decides_what_is_sampled(engine: Any) -> None:
    runs = [list(engine.generate([IDS], 12, True, seed)) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_generation_ends_with_the_text_unless_that_is_ignored(
    engine: Any, folder: Path, tmp_path: Path, load_engine: Any
) -> None:
    first = next(engine.generate([IDS], 1, True, 0))[1]
    with load_engine(copy_folder(folder, tmp_path / "m", eos_token_id=[first, 3])) as ending:
        assert list(ending.generate([IDS], 6, False, 0)) == [(0, first)]
        assert len(list(ending.generate([IDS], 6, True, 0))) == 6


def test_the_cache_is_as_large_as_predicted(engine: Any, folder: Path) -> None:
    engine.resize(700)
    engine.prefill([5] * 690)
    expected = backend.inspect(folder).model.kv_bytes(768, 4, 4)
    assert engine.memory_report()["kv_buffer_bytes"] == expected
    engine.resize(256)


def test_environment_says_what_computed(four_bits: Path, load_engine: Any) -> None:
    with load_engine(four_bits, batch=64) as engine:
        environment = engine.environment()
    assert environment["weights"] == "4 bits in groups of 64 (affine)"
    assert environment["activations"] == "float32"
    assert (environment["device"], environment["batch"], environment["model"]) == (
        "cpu",
        "64",
        "llama",
    )


def test_few_shot_examples_are_evaluated_once(engine: Any) -> None:
    """Each choice evaluates the last token of its context again."""
    shots = [10 + place % 200 for place in range(150)]
    requests = [
        ([*shots, 3 + n, 7, 8], choice) for n in range(5) for choice in ([9, 5, 4], [11], [6, 12])
    ]
    before = engine.evaluated_tokens
    scores = list(engine.score(requests))
    assert engine.evaluated_tokens - before == 150 + 5 * (2 + 3 + 1 + 2)
    for (context, continuation), shared in zip(requests, scores, strict=True):
        logits = engine.logits([*context, *continuation[:-1]], len(context) - 1)
        assert np.abs(shared.log_probs - token_scores(logits, continuation).log_probs).max() < NEAR
