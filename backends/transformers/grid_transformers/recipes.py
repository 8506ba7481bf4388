"""Quantizations that transformers makes when it loads 16-bit weights, without calibration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from grid.backend import Recipe
from grid.models.checkpoint.quantization_names import bnb_name, torchao_name

_SCALE = 32.0
_ROW = 4096
"""Weights that share a row's scale in the layers of a common model, for nominal bits."""


class Maker(NamedTuple):
    """A recipe, and what makes the quantization config that transformers loads with."""

    recipe: Recipe
    config: Callable[[], Any]


def _bnb4(kind: str, double: bool) -> Maker:
    # A 32-bit scale per 64 weights; with `-dq` an 8-bit one, and a 32-bit one per 256 of those.
    scale = 8 / 64 + _SCALE / (64 * 256) if double else _SCALE / 64
    recipe = Recipe(name=bnb_name(kind, double), bits=4 + scale, format="bnb")

    def config() -> Any:
        from transformers import BitsAndBytesConfig

        return BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type=kind, bnb_4bit_use_double_quant=double
        )

    return Maker(recipe, config)


def _bnb8() -> Maker:
    def config() -> Any:
        from transformers import BitsAndBytesConfig

        return BitsAndBytesConfig(load_in_8bit=True)

    return Maker(Recipe(name=bnb_name("int8"), bits=8 + _SCALE / _ROW, format="bnb"), config)


def _torchao(kind: str) -> Maker:
    def config() -> Any:
        import torchao.quantization
        from transformers import TorchAoConfig

        return TorchAoConfig(getattr(torchao.quantization, kind)())

    return Maker(Recipe(name=torchao_name(kind), bits=8 + 16 / _ROW, format="torchao"), config)


_MAKERS = (
    _bnb4("nf4", False),
    _bnb4("nf4", True),
    _bnb4("fp4", False),
    _bnb8(),
    _torchao("Int8WeightOnlyConfig"),
    _torchao("Float8WeightOnlyConfig"),
)

MAKERS: dict[str, Maker] = {maker.recipe.name: maker for maker in _MAKERS}
"""Every recipe by name. Those that round activations to 8 bits are left out: their error depends on
the text, and a figure for weights would hold it too."""

RECIPES: dict[str, Recipe] = {name: maker.recipe for name, maker in MAKERS.items()}
