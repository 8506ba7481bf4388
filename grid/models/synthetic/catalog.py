"""The names of made-up models: public shapes under short names, `synthetic:llama-8b`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from grid.errors import InputError, did_you_mean
from grid.models.gguf.config_fields import family_of
from grid.models.names import spelling_key
from grid.models.public import public_models

PREFIX = "synthetic:"

_SHORT_NAMES = {
    "Llama-3.2-1B": "llama-1b",
    "Llama-3.2-3B": "llama-3b",
    "Llama-3.1-8B": "llama-8b",
    "Llama-3.1-70B": "llama-70b",
    "Llama-3.1-405B": "llama-405b",
    "gemma-3-1b": "gemma3-1b",
    "gemma-3-4b": "gemma3-4b",
    "gemma-3-12b": "gemma3-12b",
    "gemma-3-27b": "gemma3-27b",
}

_FAMILIES = frozenset(
    {"llama", "qwen2", "qwen3", "qwen3moe", "gemma2", "gemma3", "phi3", "gpt-oss"}
)
"""Architectures of which a file's metadata is known to be complete: a test loads each."""

_GEMMA3_270M: dict[str, Any] = {
    "model_type": "gemma3_text",
    "hidden_size": 640,
    "intermediate_size": 2048,
    "num_hidden_layers": 18,
    "num_attention_heads": 4,
    "num_key_value_heads": 1,
    "head_dim": 256,
    "vocab_size": 262_144,
    "max_position_embeddings": 32_768,
    "tie_word_embeddings": True,
    "sliding_window": 512,
    "sliding_window_pattern": 6,
}
"""Gemma 3 270M's config.json, which has 268,098,176 weights."""


class SyntheticModel(NamedTuple):
    """A shape under its name here: `like` is the public model that has it, `parameters` counts
    weights, `config` are the fields of its config.json."""

    name: str
    like: str
    parameters: int
    config: Mapping[str, Any]

    @property
    def source(self) -> str:
        """As a sweep file names it: `synthetic:llama-8b`."""
        return PREFIX + self.name


@cache
def synthetic_models() -> tuple[SyntheticModel, ...]:
    """All of them, smallest first."""
    models = [
        SyntheticModel(
            _SHORT_NAMES.get(model.name, model.name.lower()),
            model.name,
            model.parameters,
            model.config,
        )
        for model in public_models()
        if family_of(model.config).architecture in _FAMILIES
    ]
    models.append(SyntheticModel("gemma3-270m", "gemma-3-270m", 268_098_176, _GEMMA3_270M))
    return tuple(sorted(models, key=lambda model: (model.parameters, model.name)))


def find_synthetic(source: str) -> SyntheticModel:
    """The shape that a source names, by its short name or its public one, whatever the separators.
    Raises InputError with the nearest name."""
    key = spelling_key(source.removeprefix(PREFIX))
    for model in synthetic_models():
        if key in (spelling_key(model.name), spelling_key(model.like)):
            return model
    names = [model.source for model in synthetic_models()]
    hint = did_you_mean(source, names)
    raise InputError(
        f"no made-up model {source!r}. {hint} `grid models` lists them".replace("  ", " ")
    )
