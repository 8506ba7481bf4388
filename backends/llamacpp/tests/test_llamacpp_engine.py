"""The loaded engine: scores, steps, generation, memory, errors."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grid_llamacpp import backend
from grid_llamacpp.scoring import token_scores
from hypothesis import given, settings
from hypothesis import strategies as st
from limited_memory import resize_beyond_memory
from llamacpp_random import CONFIG, forward, weights, write_folder

from grid.errors import EngineError, Unsupported
from grid.hardware.node import Node
from grid.testing.resident_memory import resident_bytes

pytestmark = pytest.mark.engine

IDS = [0, 17, 258, 80, 3, 99, 200, 261, 45, 45, 12, 7]
NEAR = 0.05
"""Nats: evaluations cut into other batches round otherwise."""


def test_bos_is_the_vocabularys(f16: Path, load_engine: Any) -> None:
    with load_engine(f16) as engine:
        assert (engine.bos, engine.vocabulary) == (0, 320)


def test_encoding_adds_and_parses_no_special_token(f16: Path, load_engine: Any) -> None:
    with load_engine(f16) as engine:
        ids = engine.encode("<|end|>the")
        assert 0 not in ids
        assert 1 not in ids
        assert engine.encode("") == []


@settings(max_examples=30, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_decoding_undoes_encoding(f16: Path, load_engine: Any, text: str) -> None:
    with load_engine(f16) as engine:
        ids = engine.encode(text)
        assert engine.decode(ids) == text.encode()
        assert engine.decode(ids[:2]) + engine.decode(ids[2:]) == text.encode()


def test_logits_may_begin_later(f16: Path, load_engine: Any) -> None:
    with load_engine(f16) as engine:
        whole = engine.logits(IDS)
        assert whole.shape == (len(IDS), 320)
        np.testing.assert_array_equal(engine.logits(IDS, 4), whole[4:])


def test_logits_of_a_text_longer_than_a_batch_are_the_same(f16: Path, load_engine: Any) -> None:
    ids = IDS * 3
    with load_engine(f16) as whole, load_engine(f16, batch=16, ubatch=8) as cut:
        assert np.abs(cut.logits(ids, 5) - whole.logits(ids, 5)).max() < NEAR


def test_evaluation_is_deterministic(q8: Path, load_engine: Any) -> None:
    with load_engine(q8) as engine:
        first = engine.logits(IDS)
        engine.reset()
        np.testing.assert_array_equal(engine.logits(IDS), first)


def test_scores_are_log_softmax_of_the_true_logits(f16: Path, load_engine: Any) -> None:
    true = forward(CONFIG, weights(CONFIG), IDS).astype(np.float64)
    log_probs = true - np.log(np.exp(true).sum(1, keepdims=True))
    with load_engine(f16) as engine:
        (scores,) = engine.score([(IDS[:5], IDS[5:])])
    expected = [log_probs[i - 1, IDS[i]] for i in range(5, len(IDS))]
    assert np.abs(scores.log_probs - expected).max() < NEAR
    assert scores.log_probs.dtype == np.float64
    assert scores.argmax.tolist() == true[4:-1].argmax(1).tolist()


REQUEST = st.tuples(
    st.lists(st.integers(2, 263), min_size=1, max_size=40),
    st.lists(st.lists(st.integers(2, 263), min_size=1, max_size=6), min_size=1, max_size=5),
)


@settings(max_examples=15, deadline=None)
@given(items=st.lists(REQUEST, max_size=12))
def test_packed_scores_are_those_of_each_request_alone(
    f16: Path, load_engine: Any, items: list[tuple[list[int], list[list[int]]]]
) -> None:
    requests = [
        (context, continuation)
        for context, continuations in items
        for continuation in continuations
    ]
    with load_engine(f16, batch=64, ubatch=32) as engine:
        packed = list(engine.score(requests))
        for (context, continuation), scores in zip(requests, packed, strict=True):
            logits = engine.logits([*context, *continuation[:-1]], len(context) - 1)
            alone = token_scores(logits, continuation)
            assert np.abs(scores.log_probs - alone.log_probs).max() < NEAR


def test_more_choices_than_sequences_are_scored(f16: Path, load_engine: Any) -> None:
    requests = [([0, 5], [i]) for i in range(200)]
    with load_engine(f16) as engine:
        total = sum(np.exp(scores.log_probs[0]) for scores in engine.score(requests))
        remaining = sum(
            np.exp(scores.log_probs[0])
            for scores in engine.score([([0, 5], [i]) for i in range(200, 320)])
        )
    assert total + remaining == pytest.approx(1.0, abs=1e-6)


def test_a_request_longer_than_the_context_is_an_error(f16: Path, load_engine: Any) -> None:
    with load_engine(f16) as engine, pytest.raises(EngineError, match="a request of 3000 tokens"):
        list(engine.score([([5] * 2999, [6, 7])]))


def test_steps_continue_a_prefill(f16: Path, load_engine: Any) -> None:
    with load_engine(f16) as engine:
        expected = next(engine.generate([IDS], 1, True, 0))[1]
        engine.reset()
        engine.prefill(IDS[:8])
        for token in IDS[8:]:
            engine.step(token)
        assert int(_last_logits(engine).argmax()) == expected


def test_truncating_returns_to_an_earlier_state(f16: Path, load_engine: Any) -> None:
    with load_engine(f16) as engine:
        engine.prefill(IDS)
        engine.truncate(6)
        engine.prefill([9, 9, 9])
        engine.truncate(6)
        engine.prefill(IDS[6:])
        second = _last_logits(engine)
        assert np.abs(second - engine.logits(IDS)[-1]).max() < NEAR


def _last_logits(engine: Any) -> Any:
    """The row after the last token, read from the context the steps were taken in."""
    api, context = engine._api, engine._context
    address = api.llama_get_logits_ith(context.pointer, -1)
    return np.ctypeslib.as_array(address, shape=(engine.vocabulary,)).copy()


def test_a_full_context_is_an_error(f16: Path, load_engine: Any) -> None:
    with load_engine(f16) as engine:
        engine.resize(256)
        engine.prefill([5] * 256)
        with pytest.raises(EngineError, match="257 tokens asked, the context has room for 256"):
            engine.step(5)


def test_greedy_generation_takes_the_most_likely_token(f16: Path, load_engine: Any) -> None:
    with load_engine(f16) as engine:
        tokens = [token for _, token in engine.generate([IDS], 5, True, 0)]
        follow = engine.logits([*IDS, *tokens[:-1]], len(IDS) - 1)
        assert tokens == follow.argmax(1).tolist()


def test_several_prompts_are_generated_as_alone(f16: Path, load_engine: Any) -> None:
    with load_engine(f16) as engine:
        together = list(engine.generate([IDS, IDS[:5]], 4, True, 0))
        alone = [[t for _, t in engine.generate([p], 4, True, 0)] for p in (IDS, IDS[:5])]
    assert [[t for i, t in together if i == index] for index in range(2)] == alone


def test_a_seed_decides_what_is_sampled(f16: Path, load_engine: Any) -> None:
    with load_engine(f16) as engine:
        runs = [list(engine.generate([IDS], 12, True, seed)) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_generation_ends_with_the_text_unless_that_is_ignored(
    folder: Path, load_engine: Any, tmp_path: Path
) -> None:
    model = write_folder(tmp_path / "m")
    with load_engine(_converted(model, tmp_path / "a.gguf")) as engine:
        first = next(engine.generate([IDS], 1, True, 0))[1]
    config = {**json.loads((model / "config.json").read_text()), "eos_token_id": first}
    (model / "config.json").write_text(json.dumps(config))
    with load_engine(_converted(model, tmp_path / "b.gguf")) as engine:
        assert list(engine.generate([IDS], 6, False, 0)) == [(0, first)]
        assert len(list(engine.generate([IDS], 6, True, 0))) == 6


def _converted(model: Path, target: Path) -> Path:
    backend.quantize(model, "F16", target, 1)
    return target


def test_the_cache_is_as_large_as_the_model_says(f16: Path, load_engine: Any) -> None:
    model = backend.inspect(f16).model
    with load_engine(f16) as engine:
        engine.resize(1000)
        assert engine.memory_report()["kv_buffer_bytes"] == model.kv_bytes(1024)


def test_a_quantized_cache_is_smaller(f16: Path, load_engine: Any) -> None:
    with load_engine(f16, kv_type_k="q8_0", kv_type_v="q8_0") as engine:
        engine.resize(1024)
        expected = backend.inspect(f16).model.kv_bytes(1024, 34 / 32, 34 / 32)
        assert engine.memory_report()["kv_buffer_bytes"] == pytest.approx(expected, rel=0.01)
        assert np.isfinite(engine.logits(IDS)).all()


def test_environment_says_what_computed(q8: Path, load_engine: Any) -> None:
    with load_engine(q8, ubatch=64) as engine:
        environment = engine.environment()
    assert environment["threads"] == "1"
    assert environment["ubatch"] == "64"
    assert environment["flash_attention"] in {"on", "off"}
    assert "8 bits" in environment["kernels"]
    assert "Q8_0" in environment["model"]


def test_repeated_loads_give_their_memory_back(f16: Path, load_engine: Any) -> None:
    def cycle() -> int:
        with load_engine(f16) as engine:
            engine.resize(4096)
            engine.logits(IDS)
        return resident_bytes()

    cycle()
    settled = cycle()
    grown = [cycle() for _ in range(5)][-1] - settled
    assert grown < 4 * 2**20


def test_leaving_frees_the_cache(f16: Path, load_engine: Any) -> None:
    with load_engine(f16) as engine:
        engine.resize(65_536)
        held = engine.memory_report()["kv_buffer_bytes"]
        during = resident_bytes()
    assert held == 64 * 2**20
    assert during - resident_bytes() > held / 2


def test_the_engine_prints_nothing(
    f16: Path, load_engine: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    with load_engine(f16) as engine:
        engine.logits(IDS)
    assert capfd.readouterr() == ("", "")


def test_a_file_that_is_no_model_says_why(tmp_path: Path, load_engine: Any) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF" + b"\0" * 40)
    with (
        pytest.raises(EngineError, match=r"x\.gguf does not load: .+"),
        load_engine(tmp_path / "x.gguf"),
    ):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="limits of private memory are Linux's")
def test_a_cache_that_does_not_fit_is_out_of_memory_and_a_smaller_one_still_works(
    f16: Path,
) -> None:
    first, second = resize_beyond_memory("grid_llamacpp", f16)
    assert first.startswith("no context of 800000 tokens: ")
    assert second == "3"


def test_an_unknown_architecture_is_unsupported(
    f16: Path, tmp_path: Path, load_engine: Any
) -> None:
    content = f16.read_bytes().replace(b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0llamb", 1)
    (tmp_path / "x.gguf").write_bytes(content)
    with (
        pytest.raises(Unsupported, match="unknown model architecture: 'llamb'"),
        load_engine(tmp_path / "x.gguf"),
    ):
        pass


def test_a_cache_type_that_needs_flash_attention_is_unsupported(f16: Path, node: Node) -> None:
    options = {**backend.options({"kv_type_v": "q8_0"}, node), "flash_attention": "off"}
    with backend.load(f16, "cpu", options) as engine, pytest.raises(Unsupported):
        engine.resize(64)


def test_fewer_bits_of_cache_are_further_from_sixteen_at_depth(f16: Path, load_engine: Any) -> None:
    """The cost of a quantized cache: nothing at the first token, more with every bit less."""
    ids = [0, *(7 * n % 250 + 1 for n in range(120))]
    rows = {}
    for kind in ("f16", "q8_0", "q5_0", "q4_0"):
        with load_engine(f16, kv_type_k=kind, kv_type_v=kind) as engine:
            rows[kind] = engine.logits(ids)
    errors = {kind: np.sqrt(np.mean((rows[kind] - rows["f16"])[64:] ** 2)) for kind in rows}
    assert 0 == errors["f16"] < errors["q8_0"] < errors["q5_0"] < errors["q4_0"]
