"""Really trained models of strangers, converted and run: their loss on real stories is known.

The folder of real inputs lies beside the checkout; without it these tests are skipped.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from grid_llamacpp import backend
from grid_llamacpp.scoring import token_scores
from llama2c import Floats, Shape, convert, read_checkpoint

from grid.hardware.node import Node

DATA = Path(__file__).parents[2].parent / "shared" / "data"
MODELS = {
    "stories260K": ("stories260K/stories260K.bin", "stories260K/tok512.bin"),
    "babyllama": ("babyllama-tok361-969K/model5000.bin", "babyllama-tok361-969K/tok361.bin"),
}
NODE = Node(name="n", system="s", chip="c", cores=1, memory_bytes=2**34, bandwidth_bytes_s=1e10)

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real inputs in ../shared/data are not here"),
]


@pytest.fixture(scope="module", params=list(MODELS))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    checkpoint, tokens = (DATA / "models" / part for part in MODELS[request.param])
    return convert(checkpoint, tokens, tmp_path_factory.mktemp("strangers") / "m-F16.gguf")


def stories(count: int = 120, characters: int = 240) -> list[str]:
    text = (DATA / "eval" / "tinystories_train_sample.txt").read_text(encoding="utf-8")
    whole = [story.strip() for story in text.split("<|endoftext|>")]
    return [story[:characters] for story in whole if len(story) >= characters][:count]


def bits_per_character(path: Path) -> float:
    """Mean over the beginnings of stories, BOS before each; every token counts."""
    nats, characters = 0.0, 0
    with backend.load(path, "cpu", backend.options({}, NODE)) as engine:
        engine.resize(256)
        for story in stories():
            ids = [engine.bos, *engine.encode(story)]
            nats -= token_scores(engine.logits(ids)[:-1], ids[1:]).log_probs.sum()
            characters += len(story)
    return nats / math.log(2) / characters


def test_16_bit_loss_is_a_trained_models(model: Path) -> None:
    """A random model of 512 tokens needs about 4 bits a character."""
    assert 0.6 < bits_per_character(model) < 1.0


def test_4_bits_are_worse_than_8_and_8_about_as_good_as_16(model: Path) -> None:
    losses = {"F16": bits_per_character(model)}
    for recipe in ("Q8_0", "Q4_0"):
        target = model.with_name(f"m-{recipe}.gguf")
        backend.quantize(model, recipe, target, 1)
        losses[recipe] = bits_per_character(target)
    assert losses["Q8_0"] == pytest.approx(losses["F16"], rel=0.005)
    assert losses["Q4_0"] > 1.01 * losses["Q8_0"]


def test_logits_agree_with_a_pass_in_numpy(tmp_path: Path) -> None:
    checkpoint, tokens = (DATA / "models" / part for part in MODELS["stories260K"])
    shape, weights = read_checkpoint(checkpoint)
    path = convert(checkpoint, tokens, tmp_path / "m.gguf", "F32")
    exact = {"kv_type_k": "f32", "kv_type_v": "f32", "flash_attention": "off"}
    with backend.load(path, "cpu", backend.options(exact, NODE)) as engine:
        ids = [1, *engine.encode(stories(1)[0])]
        logits = engine.logits(ids)
    assert np.abs(logits - forward(shape, weights, ids)).max() < 1e-3


def test_greedy_text_is_a_story(model: Path) -> None:
    with backend.load(model, "cpu", backend.options({}, NODE)) as engine:
        prompt = [engine.bos, *engine.encode("Once upon a time")]
        text = engine.decode([token for _, token in engine.generate([prompt], 40, False, 0)])
    assert text.startswith(b", there was a little girl named Lily.")


def forward(shape: Shape, weights: dict[str, Floats], ids: list[int]) -> Floats:
    """Logits [len(ids), vocabulary] as llama2.c computes them: neighbouring pairs are rotated."""
    count, width = len(ids), shape.head
    turns = np.outer(np.arange(count), 10000.0 ** -(np.arange(0, width, 2) / width))
    cos, sin = np.cos(turns)[:, None], np.sin(turns)[:, None]
    mask = np.triu(np.full((count, count), -np.inf), 1)
    group = shape.heads // shape.kv_heads

    def norm(x: Floats, name: str) -> Floats:
        mean = (x * x).mean(-1, keepdims=True)
        return x / np.sqrt(mean + 1e-5) * weights[f"{name}.weight"]

    def rotate(x: Floats) -> Floats:
        out = np.empty_like(x)
        out[..., ::2] = x[..., ::2] * cos - x[..., 1::2] * sin
        out[..., 1::2] = x[..., ::2] * sin + x[..., 1::2] * cos
        return out

    x = weights["token_embd.weight"][ids]
    for layer in range(shape.layers):
        at = f"blk.{layer}"
        y = norm(x, f"{at}.attn_norm")
        q, k, v = (
            (y @ weights[f"{at}.attn_{p}.weight"].T).reshape(count, -1, width) for p in "qkv"
        )
        q, k, v = rotate(q), rotate(k).repeat(group, 1), v.repeat(group, 1)
        scores = np.einsum("ihd,jhd->hij", q, k) / math.sqrt(width) + mask
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        y = np.einsum("hij,jhd->ihd", scores / scores.sum(-1, keepdims=True), v)
        x = x + y.reshape(count, -1) @ weights[f"{at}.attn_output.weight"].T
        y = norm(x, f"{at}.ffn_norm")
        gate, up = (y @ weights[f"{at}.ffn_{p}.weight"].T for p in ("gate", "up"))
        x = x + (gate / (1 + np.exp(-gate)) * up) @ weights[f"{at}.ffn_down.weight"].T
    return norm(x, "output_norm") @ weights["token_embd.weight"].T
