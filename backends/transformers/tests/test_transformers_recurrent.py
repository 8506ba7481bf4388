"""Models that keep a state beside or instead of keys and values: small random ones of each kind."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grid.errors import Unsupported

pytestmark = pytest.mark.usefixtures("stack")

IDS = [0, 17, 258, 80, 3, 99, 200, 261, 45, 45, 12, 7]
NEAR = 1e-3

COMMON = {"vocab_size": 1024, "hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 128}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2}
STATE = {"mamba_d_state": 8, "mamba_n_heads": 4, "mamba_d_head": 32, "mamba_n_groups": 1}
KINDS: dict[str, dict[str, Any]] = {
    "mamba": {"state_size": 8},
    "mamba2": {"state_size": 8, "num_heads": 4, "head_dim": 32, "n_groups": 1, "chunk_size": 4},
    "jamba": {
        **HEADS,
        "attn_layer_period": 2,
        "attn_layer_offset": 1,
        "expert_layer_period": 2,
        "expert_layer_offset": 1,
        "num_experts": 2,
        "use_mamba_kernels": False,
        "mamba_d_state": 8,
    },
    "bamba": {**HEADS, **STATE, "attn_layer_indices": [1], "mamba_chunk_size": 4},
    "recurrent_gemma": {
        **HEADS,
        "num_hidden_layers": 3,
        "lru_width": 64,
        "head_dim": 16,
        "attention_window_size": 64,
    },
    "mistral": {**HEADS, "sliding_window": 6},
}


@pytest.fixture(scope="module", params=sorted(KINDS))
def recurrent(
    request: pytest.FixtureRequest, folder: Path, tmp_path_factory: Any
) -> tuple[str, Path]:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    kind = request.param
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **(COMMON | KINDS[kind]), pad_token_id=0)
    model = AutoModelForCausalLM.from_config(config).float()
    for parameter in model.parameters():
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.2)
    target = tmp_path_factory.mktemp(kind)
    model.save_pretrained(target)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(folder / name, target / name)
    return kind, target


def _true(engine: Any, ids: list[int]) -> Any:
    """The model's own logits of a whole text, without any cache."""
    import torch

    with torch.inference_mode():
        out = engine._forward.model(input_ids=torch.tensor([ids]), use_cache=False)
    return out.logits[0].float().numpy()


@pytest.mark.parametrize("batch", [3, 512])
def test_logits_do_not_depend_on_the_batch(
    recurrent: tuple[str, Path], batch: int, load_engine: Any
) -> None:
    with load_engine(recurrent[1], attention="eager", batch=batch) as engine:
        assert np.abs(engine.logits(IDS, 2) - _true(engine, IDS)[2:]).max() < NEAR


def test_scores_are_those_of_the_whole_text(recurrent: tuple[str, Path], load_engine: Any) -> None:
    requests = [(IDS[:8], IDS[8:]), (IDS[:8], [5]), (IDS[:4], IDS[4:])]
    with load_engine(recurrent[1], attention="eager", batch=3) as engine:
        answers = list(engine.score(requests))
        for (context, continuation), scores in zip(requests, answers, strict=True):
            rows = _true(engine, [*context, *continuation])[len(context) - 1 : -1].astype(
                np.float64
            )
            true = rows - np.log(np.exp(rows).sum(1, keepdims=True))
            assert (
                np.abs(scores.log_probs - true[np.arange(len(continuation)), continuation]).max()
                < NEAR
            )


def test_generation_and_steps_go_on_from_the_whole_text(
    recurrent: tuple[str, Path], load_engine: Any
) -> None:
    with load_engine(recurrent[1], attention="eager", batch=3) as engine:
        tokens = [token for _, token in engine.generate([IDS], 4, True, 0)]
        true = _true(engine, [*IDS, *tokens[:-1]])[len(IDS) - 1 :]
        assert tokens == true.argmax(1).tolist()
        engine.reset()
        engine.prefill(IDS[:6])
        engine.truncate(5)
        engine.step(IDS[5])
        ids = engine._forward.ids([[IDS[6]]])
        last = engine._forward(ids, engine._context.cache, 1)[0].numpy()
        assert np.abs(last - _true(engine, IDS[:7])[-1:]).max() < NEAR


def test_environment_says_which_texts_run_whole(
    recurrent: tuple[str, Path], load_engine: Any
) -> None:
    with load_engine(recurrent[1], attention="eager") as engine:
        whole = engine._forward.piece > engine._forward.batch
        assert ("texts" in engine.environment()) == whole
        if recurrent[0] == "mistral":
            assert not whole
        if whole:
            engine.prefill(IDS[:4])
            with pytest.raises(Unsupported, match="evaluated whole"):
                engine.prefill(IDS[4:8])
