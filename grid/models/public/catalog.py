"""Models whose configuration is public: exact file sizes, KV caches and active parameters."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from statistics import median
from typing import Any

from grid.errors import InputError, Unsupported
from grid.models.artifact import PredictedSize
from grid.models.checkpoint.config import Config
from grid.models.checkpoint.layers import layer_states
from grid.models.gguf.inventory import Hyperparameters, UnquantizedTensor
from grid.models.gguf.inventory_config import from_config
from grid.models.gguf.predict import predict
from grid.models.gguf.weight_roles import summary_of_inventory
from grid.models.model import LayerState
from grid.models.names import spelling_key
from grid.models.weight_parts import WeightSummary

_FILE = Path(__file__).parent / "configs.json"
_VERSION = re.compile(
    r"[-_. ](?:instruct|chat|it|base|pt|hf|thinking|v\d+(?:\.\d+)?|\d{4}|\d+k)$", re.IGNORECASE
)
"""What a name ends with beside the model's own: the training and the date, not the shape."""
_MAKER = re.compile(r"^(?:meta|google|microsoft|mistralai|openai)[-_]", re.IGNORECASE)

_NEED_MATRIX = ("IQ1", "IQ2", "IQ3_XXS")
"""Presets that are published with an importance matrix, which changes some of their types."""
LEAST = 10**9
"""Parameters from which models of one size have about the same bits per weight."""
_ALIKE = 5
_BLOCK = 256
_ROWS = ("hidden_size", "intermediate_size", "moe_intermediate_size")


_NATIVE = {"gpt_oss": "MXFP4_MOE"}
"""By `model_type`: the one preset of models whose makers publish them at few bits."""


@dataclass(frozen=True)
class PublicModel:
    """A model by its public configuration. `parameters` counts all weights; `released` is a month,
    `2025-04`; `repository` is where the hub has it, empty where nobody noted it."""

    name: str
    parameters: int
    config: Mapping[str, Any] = field(repr=False, compare=False, hash=False)
    released: str = ""
    repository: str = ""

    @cached_property
    def _inventory(self) -> tuple[tuple[UnquantizedTensor, ...], Hyperparameters]:
        return from_config(self.config)

    @property
    def context_length(self) -> int:
        """Longest context it is made for, tokens."""
        return int(self.config["max_position_embeddings"])

    @cached_property
    def layers(self) -> tuple[LayerState, ...]:
        """What each layer keeps of the tokens."""
        return layer_states(Config(_FILE, dict(self.config)))

    @cached_property
    def active_parameters(self) -> int:
        """Weights that a token uses: no looked-up embeddings, and of experts the routed ones."""
        return self.weights.active_parameters or self.parameters

    @cached_property
    def weights(self) -> WeightSummary:
        """Bytes at 16 bits by what reads them, and its experts."""
        return summary_of_inventory(*self._inventory)

    @property
    def native_preset(self) -> str | None:
        """The preset that its makers publish it at, where that has few bits: not quantized."""
        return _NATIVE.get(str(self.config["model_type"]))

    @property
    def is_mixture(self) -> bool:
        return self._inventory[1].n_expert > 0

    def size(self, preset: str) -> PredictedSize | None:
        """Size of its GGUF at one of llama.cpp's presets; None where the preset cannot store it."""
        return _size(self, preset)

    def kv_bytes(self, tokens: int, element_bytes: float = 2.0) -> int:
        """Bytes of the KV cache for `tokens` tokens."""
        total = 0.0
        for layer in self.layers:
            cached_tokens = tokens if layer.window is None else min(tokens, layer.window)
            total += cached_tokens * (layer.key + layer.value) * element_bytes + 4 * layer.fixed
        return round(total)


@cache
def _size(model: PublicModel, preset: str) -> PredictedSize | None:
    tensors, hyperparameters = model._inventory
    try:
        matrix = preset.startswith(_NEED_MATRIX)
        return predict(tensors, hyperparameters, preset, importance_matrix=matrix)
    except (InputError, Unsupported):
        return None


@cache
def public_models() -> tuple[PublicModel, ...]:
    """All of them, smallest first."""
    content = json.loads(_FILE.read_text(encoding="utf-8"))
    models = [
        PublicModel(
            name,
            facts["parameters"],
            facts["config"],
            facts["released"],
            facts.get("repository", ""),
        )
        for name, facts in content.items()
        if name != "note"
    ]
    return tuple(sorted(models, key=lambda model: (model.parameters, model.name)))


@cache
def _by_key() -> Mapping[str, PublicModel]:
    return {_key(model.name): model for model in public_models()}


def find_model(name: str) -> PublicModel | None:
    """The public model whose shape one of this name has, whatever it was trained for:
    `Meta-Llama-3.1-8B-Instruct` has that of Llama-3.1-8B. None for names of other models."""
    return _by_key().get(_key(name))


def _key(name: str) -> str:
    name, last = _MAKER.sub("", name.strip()), ""
    while name != last:
        name, last = _VERSION.sub("", name), name
    return spelling_key(name)


def typical_bits(parameters: int, preset: str) -> float | None:
    """Bits per weight of a file at a preset where a model's shape is not known: the median of the
    `_ALIKE` public models nearest in size whose rows are whole blocks. Leaving a family out, off by
    1 % at Q4_K_M and 2 % at Q2_K in the middle, and by 4 and 10 % in one of ten. None for models
    below 1e9 parameters, whose embedding tables differ too much."""
    if parameters < LEAST:
        return None
    models = sorted(
        filter(_whole_blocks, public_models()),
        key=lambda model: (abs(math.log(model.parameters / parameters)), model.name),
    )
    sizes = [size for model in models if (size := model.size(preset)) is not None]
    return median(size.bpw_file for size in sizes[:_ALIKE]) if sizes else None


def _whole_blocks(model: PublicModel) -> bool:
    """Whether all rows are multiples of llama.cpp's blocks, so that a preset stores what it means
    to; others take more bits."""
    return all(model.config.get(name, _BLOCK) % _BLOCK == 0 for name in _ROWS)
