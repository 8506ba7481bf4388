"""The loaded engine: logits, scores, steps, generation, memory, errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grid_transformers import backend
from grid_transformers.scoring import Row, packs, token_scores
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.errors import EngineError, Unsupported
from grid.hardware.node import Node
from grid.testing import CHECKS, Case, check
from grid.testing.fixtures import copy_folder

pytestmark = pytest.mark.usefixtures("stack")

IDS = [0, 17, 258, 80, 3, 99, 200, 261, 45, 45, 12, 7]
NEAR = 1e-3
"""Nats: in 32 bits another cut changes rounding only."""


@pytest.fixture(scope="module")
def engine(folder: Path, load_engine: Any) -> Any:
    with load_engine(folder) as engine:
        yield engine


def _log_softmax(logits: Any) -> Any:
    rows = logits.astype(np.float64)
    return (
        rows
        - np.log(np.exp(rows - rows.max(1, keepdims=True)).sum(1, keepdims=True))
        - (rows.max(1, keepdims=True))
    )


def test_bos_and_vocabulary_are_the_folders(engine: Any) -> None:
    assert (engine.bos, engine.vocabulary) == (0, 1024)


@pytest.mark.parametrize("rule", CHECKS)
def test_the_16_bit_model_conforms(folder: Path, node: Node, rule: str) -> None:
    outcome = check(rule, Case(backend, folder, node, recipe="bnb-nf4"))
    if outcome != "ran":
        pytest.skip(outcome)


def test_a_packed_model_computes_what_its_weights_say(nf4: Path, load_engine: Any) -> None:
    """The packed layers, unpacked by hand into a plain model, give the same logits."""
    import torch
    from bitsandbytes.functional import dequantize_4bit
    from transformers import AutoModelForCausalLM

    with load_engine(nf4) as packed:
        rows = packed.logits(IDS)
        plain = AutoModelForCausalLM.from_config(packed._forward.model.config).float()
        weights = packed._forward.model.state_dict()
        for name, module in plain.named_modules():
            if isinstance(module, torch.nn.Linear) and name != "lm_head":
                inside = packed._forward.model.get_submodule(name).weight
                inside.quant_state.dtype = torch.float32  # what it is unpacked to
                weights[f"{name}.weight"] = dequantize_4bit(inside.data, inside.quant_state)
        plain.load_state_dict(weights, strict=False)
    with torch.inference_mode():
        true = plain.eval()(torch.tensor([IDS])).logits[0].numpy()
    assert np.abs(rows - true).max() < NEAR


def test_packed_weights_are_reported_with_their_scales(nf4: Path, load_engine: Any) -> None:
    with load_engine(nf4) as engine:
        environment, report = engine.environment(), engine.memory_report()
    assert "Linear4bit x14 (bitsandbytes" in environment["kernels"]
    assert environment["activations"] == "stay at float32"
    assert environment["dtype"] == "float32"
    layers = 1_572_864
    others = 1024 * 256 * 2 + 5 * 256
    # Half a byte a weight, 4 bytes a block of 64, tables of 16 numbers, the rest in 32 bits.
    assert report["model_buffer_bytes"] == pytest.approx(layers * 4.5 / 8 + others * 4, rel=0.01)


def test_aqlm_computes_what_its_codes_say(folder: Path, load_engine: Any, tmp_path: Path) -> None:
    """Its kernel for CPUs is wrong where several threads share it; here it must not be."""
    import torch
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    torch.manual_seed(0)
    coded: dict[str, Any] = {}
    for name in [name for name in weights if name.endswith("proj.weight")]:
        rows, columns = weights[name].shape
        codes = torch.randint(0, 256, (rows, columns // 8, 1))
        book, scales = 0.05 * torch.randn(1, 256, 1, 8), torch.ones(rows, 1, 1, 1)
        weights[name] = book[0, :, 0][codes[..., 0]].reshape(rows, columns).contiguous()
        layer = name.removesuffix("weight")
        coded[f"{layer}codes"] = codes.to(torch.uint8).view(torch.int8)
        coded |= {f"{layer}codebooks": book, f"{layer}scales": scales}
    unquantized = {
        name: value for name, value in weights.items() if not name.endswith("proj.weight")
    }
    method = {
        "quant_method": "aqlm",
        "in_group_size": 8,
        "out_group_size": 1,
        "num_codebooks": 1,
        "nbits_per_codebook": 8,
        "linear_weights_not_to_quantize": ["lm_head", "lm_head.weight"],
    }
    for name, tensors, extra in (
        ("plain", weights, {}),
        ("coded", unquantized | coded, {"quantization_config": method}),
    ):
        copy_folder(folder, tmp_path / name, **extra)
        save_file(tensors, tmp_path / name / "model.safetensors")
    with load_engine(tmp_path / "plain") as plain, load_engine(tmp_path / "coded") as packed:
        assert np.abs(plain.logits(IDS) - packed.logits(IDS)).max() < NEAR


def test_rows_may_begin_later(engine: Any) -> None:
    whole = engine.logits(IDS)
    assert whole.shape == (len(IDS), 1024)
    assert np.abs(engine.logits(IDS, 4) - whole[4:]).max() < NEAR


@pytest.mark.parametrize("first", [0, 5, 11])
def test_a_prompt_cut_in_pieces_has_the_same_logits(
    folder: Path, load_engine: Any, engine: Any, first: int
) -> None:
    with load_engine(folder, batch=4) as cut:
        assert np.abs(cut.logits(IDS, first) - engine.logits(IDS, first)).max() < NEAR


REQUEST = st.tuples(
    st.lists(st.integers(1, 1023), min_size=1, max_size=40),
    st.lists(st.lists(st.integers(1, 1023), min_size=1, max_size=6), min_size=1, max_size=5),
)


@settings(max_examples=15, deadline=None)
@given(items=st.lists(REQUEST, max_size=8))
def test_packed_scores_are_those_of_each_request_alone(
    engine: Any, items: list[tuple[list[int], list[list[int]]]]
) -> None:
    requests = [
        (context, continuation)
        for context, continuations in items
        for continuation in continuations
    ]
    packed = list(engine.score(requests))
    for (context, continuation), scores in zip(requests, packed, strict=True):
        logits = engine.logits([*context, *continuation[:-1]], len(context) - 1)
        assert np.abs(scores.log_probs - token_scores(logits, continuation).log_probs).max() < NEAR


def test_a_group_larger_than_a_batch_is_cut(folder: Path, load_engine: Any) -> None:
    requests = [([0, 5, 9], [i]) for i in range(1024)]
    with load_engine(folder, batch=64) as engine:
        total = sum(np.exp(scores.log_probs[0]) for scores in engine.score(requests))
    assert total == pytest.approx(1.0, abs=1e-5)


ROWS = st.lists(
    st.tuples(st.integers(1, 30), st.integers(1, 5), st.integers(1, 8)), min_size=1, max_size=12
)


@given(shapes=ROWS, tokens=st.integers(1, 200))
def test_packs_hold_every_row_once_and_no_more_than_fits(
    shapes: list[tuple[int, int, int]], tokens: int
) -> None:
    rows = [
        Row(
            place=100 * group + index,
            group=group,
            context=(1,) * length,
            continuation=(1,) * length_of_continuation,
        )
        for group, (length, choices, length_of_continuation) in enumerate(shapes)
        for index in range(choices)
    ]
    packed = list(packs(rows, tokens))
    assert sorted(row.place for pack in packed for row in pack) == [row.place for row in rows]
    for pack in packed:
        shared = min(len(row.context) for row in pack) - 1
        padded = len(pack) * (max(len(row.ids) for row in pack) - shared)
        assert padded <= tokens or len({row.group for row in pack}) == 1


def test_steps_continue_a_prefill(engine: Any) -> None:
    engine.reset()
    engine.prefill(IDS[:8])
    for token in IDS[8:]:
        engine.step(token)
    engine.truncate(len(IDS) - 1)
    engine.truncate(len(IDS) + 5)
    cache = engine._context.cache
    logits = engine._forward(engine._forward.ids([[IDS[-1]]]), cache, 1)[0].numpy()
    assert np.abs(logits - engine.logits(IDS)[-1:]).max() < NEAR


def test_the_cache_reported_is_that_of_the_tokens_held(engine: Any) -> None:
    engine.reset()
    assert engine.memory_report()["kv_buffer_bytes"] == 0
    engine.prefill(IDS)
    per_token = 2 * 2 * 128 * 4  # layers, keys and values, two heads of 64, 32 bits
    assert engine.memory_report()["kv_buffer_bytes"] == len(IDS) * per_token
    engine.truncate(3)
    assert engine.memory_report()["kv_buffer_bytes"] == 3 * per_token


def test_greedy_generation_takes_the_most_likely_token(engine: Any) -> None:
    tokens = [token for _, token in engine.generate([IDS], 5, True, 0)]
    follow = engine.logits([*IDS, *tokens[:-1]], len(IDS) - 1)
    assert tokens == follow.argmax(1).tolist()


def test_several_prompts_are_generated_as_alone(engine: Any) -> None:
    prompts = [IDS, IDS[:5], IDS[3:10]]
    together = list(engine.generate(prompts, 6, True, 0))
    assert [index for index, _ in together] == [0, 1, 2] * 6
    for index, prompt in enumerate(prompts):
        alone = [token for _, token in engine.generate([prompt], 6, True, 0)]
        assert [token for i, token in together if i == index] == alone


def test_a_row_that_ends_leaves_the_others_running(engine: Any) -> None:
    from grid_transformers.generation import generate

    prompts = [IDS, IDS[:5], IDS[3:10]]
    free = [t for i, t in generate(engine._forward, prompts, 6, (), 0) if i == 1]
    together = list(generate(engine._forward, prompts, 6, {free[0]}, 0))
    assert [token for index, token in together if index == 1] == free[:1]
    ends = [[t for i, t in together if i == index] for index in (0, 2)]
    for index, tokens in zip((0, 2), ends, strict=True):
        alone = [t for _, t in generate(engine._forward, [prompts[index]], 6, {free[0]}, 0)]
        assert tokens == alone


def test_a_seed_decides_what_is_drawn(engine: Any) -> None:
    runs = [list(engine.generate([IDS], 12, True, seed)) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_a_context_beyond_the_models_is_unsupported(folder: Path, load_engine: Any) -> None:
    with load_engine(folder) as engine, pytest.raises(Unsupported, match="is made for 1024"):
        engine.resize(1025)


def test_a_full_context_is_an_error(folder: Path, load_engine: Any) -> None:
    with load_engine(folder) as engine:
        engine.resize(8)
        engine.prefill(IDS[:8])
        with pytest.raises(EngineError, match="9 tokens asked, the context has room for 8"):
            engine.step(5)
        with pytest.raises(EngineError, match="room for 8"):
            engine.logits(IDS)


def test_half_precision_computes_in_it(folder: Path, load_engine: Any, engine: Any) -> None:
    with load_engine(folder, dtype="bfloat16") as narrow:
        assert narrow.environment()["dtype"] == "bfloat16"
        difference = np.abs(_log_softmax(narrow.logits(IDS)) - _log_softmax(engine.logits(IDS)))
    assert 0 < np.median(difference) < 0.1


def test_an_engine_says_the_version_that_probing_said(engine: Any, node: Node) -> None:
    assert engine.version == backend.probe(node).version


def test_a_long_context_is_scored_in_pieces(folder: Path, load_engine: Any, engine: Any) -> None:
    """No evaluation takes more than `batch` tokens, a single row's neither."""
    widths = []
    with load_engine(folder, batch=16) as cut:
        forward = cut._forward
        plain = type(forward).__call__

        def counted(self: Any, ids: Any, *positional: Any, **named: Any) -> Any:
            widths.append(ids.numel())
            return plain(self, ids, *positional, **named)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(forward), "__call__", counted)
            pieces = list(cut.score([(list(range(1, 60)), [3, 4, 5])]))
    true = list(engine.score([(list(range(1, 60)), [3, 4, 5])]))
    assert np.abs(pieces[0].log_probs - true[0].log_probs).max() < NEAR
    assert max(widths) <= 16
