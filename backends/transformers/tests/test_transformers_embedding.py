"""Vectors of texts by transformers: how models pool, and a real embedding model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grid_transformers import backend
from grid_transformers.embedding import read_pooling
from grid_transformers.loading import is_encoder

from grid.backend import Node, Unsupported

MEAN = {"pooling_mode_mean_tokens": True}
CLS = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}


def write_modules(folder: Path, config: dict[str, Any], *further: str) -> Path:
    """A folder as sentence-transformers has it."""
    names = ["Transformer", "Pooling", *further]
    modules = [
        {
            "idx": n,
            "path": f"{n}_{name}" if n else "",
            "type": f"sentence_transformers.models.{name}",
        }
        for n, name in enumerate(names)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling/config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ({"pooling_mode_mean_tokens": True, "word_embedding_dimension": 8}, "mean"),
        (CLS, "cls"),
        ({"pooling_mode_lasttoken": True, "include_prompt": True}, "last"),
        ({"pooling_mode": "mean"}, "mean"),
    ],
)
def test_pooling_is_the_folders(tmp_path: Path, config: dict[str, Any], pooling: str) -> None:
    assert read_pooling(write_modules(tmp_path, config, "Normalize")) == pooling


def test_pooling_is_the_mean_where_nothing_says_it(tmp_path: Path) -> None:
    assert read_pooling(tmp_path) == "mean"


@pytest.mark.parametrize(
    "config", [{"pooling_mode_max_tokens": True}, {**CLS, "pooling_mode_mean_tokens": True}]
)
def test_pooling_that_is_not_computed_is_refused(tmp_path: Path, config: dict[str, Any]) -> None:
    with pytest.raises(Unsupported, match=r"1_Pooling/config\.json: takes one of mean, cls"):
        read_pooling(write_modules(tmp_path, config))


def test_a_further_layer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="a module Dense is not computed"):
        read_pooling(write_modules(tmp_path, CLS, "Dense"))


@pytest.mark.parametrize(
    ("names", "encoder"),
    [
        (["BertModel"], True),
        (["MistralModel"], True),
        (["LlamaForCausalLM"], False),
        (["GPT2LMHeadModel"], False),
        ([], False),
    ],
)
def test_a_model_without_a_head_is_known(tmp_path: Path, names: list[str], encoder: bool) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architectures": names}))
    assert is_encoder(tmp_path) is encoder


@pytest.fixture
def bert(stack: None, tmp_path: Path) -> Path:
    """A BERT of seeded weights, whose tokenizer puts [CLS] before and [SEP] after a text."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    words = {word: n for n, word in enumerate(["[UNK]", "[CLS]", "[SEP]", "a", "bee", "dances"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = BertConfig(
        vocab_size=len(words), intermediate_size=64, max_position_embeddings=16, **shape
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(tmp_path)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


@pytest.mark.parametrize(("config", "first"), [(MEAN, None), (CLS, 1)])
def test_vectors_are_the_pooled_states(
    bert: Path, node: Node, config: dict[str, Any], first: int | None
) -> None:
    import torch
    from transformers import AutoModel

    write_modules(bert, config, "Normalize")
    states = AutoModel.from_pretrained(bert)(torch.tensor([[1, 3, 4, 5, 2]])).last_hidden_state[0]
    pooled = states[:first].mean(dim=0)
    with backend.load(bert, "cpu", backend.options({}, node)) as engine:
        vectors = engine.embed(["a bee dances", "a", "a bee dances"])
        with pytest.raises(Unsupported, match="a text of 22 tokens; the model reads 16"):
            engine.embed(["a " * 20])
    expected = (pooled / pooled.norm()).detach().numpy()
    assert np.abs(vectors[0] - expected).max() < 1e-5
    assert np.array_equal(vectors[0], vectors[2])
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-4
