"""The training code: what a network computes at the start, when grown, and once exported."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from random import Random

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tokenizers")
safetensors = pytest.importorskip("safetensors.torch")

from tokenizers import Tokenizer  # noqa: E402
from train_bundled.circuit import build_lookup  # noqa: E402
from train_bundled.corpus import training_pages  # noqa: E402
from train_bundled.heldout import assert_disjoint, heldout_units  # noqa: E402
from train_bundled.network import Llama, Shape, grow, rotary  # noqa: E402
from train_bundled.puzzles import copying  # noqa: E402
from train_bundled.train import BATCH_TOKENS, RECIPES, Recipe, batches, export  # noqa: E402

from grid.models import bundled  # noqa: E402


@pytest.fixture
def fresh() -> Llama:
    """A two-layer network as the smallest size starts."""
    torch.manual_seed(0)
    network = Llama(Shape(2))
    build_lookup(network)
    return network


def test_a_network_with_the_lookup_circuit_copies_different_words(fresh: Llama) -> None:
    tokenizer = Tokenizer.from_file(str(bundled.tokenizer_path()))
    rng, right, total = Random(3), 0, 0
    for _ in range(20):
        puzzle = copying(rng, 10, letters=False)
        start = len(tokenizer.encode(f"{puzzle.premises}\nSo:").ids) + 1
        ids = torch.tensor([[0, *tokenizer.encode(puzzle.text()).ids]])
        with torch.inference_mode():
            predicted = fresh(ids, *rotary(fresh.shape, ids.shape[1])).argmax(-1)
        hits = predicted[0, start:-1] == ids[0, start + 1 :]
        right, total = right + int(hits.sum()), total + len(hits)
    assert right / total > 0.7


def test_a_grown_network_computes_what_the_smaller_did(fresh: Llama) -> None:
    deeper = grow(fresh.state_dict(), 2, Shape(8))
    ids = torch.arange(64)[None]
    positions = rotary(fresh.shape, 64)
    with torch.inference_mode():
        assert torch.equal(deeper(ids, *positions), fresh(ids, *positions))


def test_a_token_sees_only_what_came_before(fresh: Llama) -> None:
    ids = torch.arange(64)[None]
    changed = ids.clone()
    changed[0, 40] = 1000
    with torch.inference_mode():
        before = fresh(ids, *rotary(fresh.shape, 64))
        after = fresh(changed, *rotary(fresh.shape, 64))
    assert torch.equal(before[0, :40], after[0, :40])
    assert not torch.equal(before[0, 40:], after[0, 40:])


def test_export_writes_float16_under_the_names_transformers_expects(
    fresh: Llama, tmp_path: Path
) -> None:
    export(fresh, tmp_path)
    weights = safetensors.load_file(tmp_path / "model.safetensors")
    config = json.loads((tmp_path / "config.json").read_text())
    assert {weight.dtype for weight in weights.values()} == {torch.float16}
    assert weights["model.layers.1.mlp.down_proj.weight"].shape == (256, 768)
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]


def test_the_learning_rate_warms_up_holds_and_falls_to_zero() -> None:
    recipe = Recipe(layers=2, seed=1, short_steps=900, long_steps=100, decay=0.5)
    assert recipe.rate(0) == pytest.approx(1 / 60)
    assert recipe.rate(400) == 1.0
    assert recipe.rate(750) == pytest.approx(0.5)
    assert recipe.rate(recipe.steps) == 0.0


def test_batches_predict_the_next_token_and_end_in_long_sequences() -> None:
    import numpy as np

    recipe = Recipe(layers=2, seed=1, short_steps=2, long_steps=1)
    ids = np.arange(3 * BATCH_TOKENS + 1, dtype=np.uint16)
    pieces = list(batches(ids, recipe, 0))
    assert [tuple(inputs.shape) for inputs, _ in pieces] == [(16, 256), (16, 256), (4, 1024)]
    assert all(torch.equal(inputs + 1, targets) for inputs, targets in pieces)
    resumed = list(batches(ids, recipe, 2))
    assert torch.equal(resumed[0][0], pieces[2][0])


def test_every_size_grows_from_a_size_trained_before_it() -> None:
    assert set(bundled.SIZES) <= set(RECIPES)
    names = list(RECIPES)
    for name, recipe in RECIPES.items():
        if recipe.grown_from is not None:
            assert names.index(recipe.grown_from) < names.index(name)
            assert recipe.layers % RECIPES[recipe.grown_from].layers == 0


@pytest.mark.parametrize("size", list(RECIPES))
def test_the_corpus_of_each_size_is_disjoint_from_what_is_held_out(size: str) -> None:
    recipe, units = RECIPES[size], heldout_units()
    for page in islice(training_pages(recipe.seed, recipe.mix), 3000):
        assert_disjoint(page, units)
