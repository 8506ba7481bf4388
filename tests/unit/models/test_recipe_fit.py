"""Whether recipes fit a checkpoint's matrices is known from their shapes."""

from __future__ import annotations

from pathlib import Path

import pytest
from checkpoint_folders import plain_tensors, write_folder

from grid.errors import Unsupported
from grid.models.checkpoint.recipe_fit import NO_MULTIPLES, Multiples, misfit, refuse_misfit
from grid.models.checkpoint.safetensors import SafetensorsTensor
from grid.models.checkpoint.sizes import folder_tensors

GPTQ = ("gptq-w4g32", "gptq-w4g64", "gptq-w4g128", "gptq-w4gcol", "gptq-w4g64-act", "gptq-w8g64")
MLX = ("mlx-4bit-g32", "mlx-4bit-g64", "mlx-4bit-g128", "mlx-mxfp4")
NAME = "model.layers.0.mlp.down_proj.weight"


def matrix(outputs: int, inputs: int, name: str = NAME) -> SafetensorsTensor:
    return SafetensorsTensor(name, "F16", (outputs, inputs), 0, 2 * outputs * inputs, Path("x"))


def reason(tensor: SafetensorsTensor, recipe: str, multiples: Multiples = NO_MULTIPLES) -> str:
    with pytest.raises(Unsupported) as caught:
        refuse_misfit([tensor], recipe, (*GPTQ, *MLX), multiples)
    return str(caught.value)


@pytest.mark.parametrize(
    ("inputs", "recipe", "expected"),
    [
        (576, "gptq-w4g128", "576 columns are no multiple of the group of 128; gptq-w4g64 works"),
        (544, "gptq-w4g128", "544 columns are no multiple of the group of 128; gptq-w4g32 works"),
        (544, "gptq-w4g64", "544 columns are no multiple of the group of 64; gptq-w4g32 works"),
        (560, "gptq-w4g32", "560 columns are no multiple of the group of 32; gptq-w4gcol works"),
        (576, "mlx-4bit-g128", "576 columns are no multiple of the group of 128; mlx-4bit-g64 w"),
        (560, "mlx-mxfp4", "560 columns are no multiple of the group of 32; no other group works"),
    ],
)
def test_a_misfit_names_the_recipe_of_the_largest_group_that_fits(
    inputs: int, recipe: str, expected: str
) -> None:
    assert expected in reason(matrix(64, inputs), recipe)


def test_sides_must_be_multiples_whatever_the_group() -> None:
    words = Multiples(inputs=32, outputs=32)
    assert reason(matrix(64, 560), "gptq-w4gcol", words) == (
        "560 columns are no multiple of 32; no other group works either"
    )
    assert reason(matrix(40, 64), "gptq-w4g64", words) == (
        f"40 rows of {NAME} are no multiple of 32; no other group works either"
    )


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("model.layers.0.mlp.gate.weight", "gptq-w4g128"),
        ("model.embed_tokens.weight", "gptq-w4g128"),
        ("model.visual.blocks.0.attn.qkv.weight", "gptq-w4g128"),
        ("model.layers.0.mlp.gate.weight", "mlx-4bit-g128"),
        (NAME, "bnb-nf4"),
        (NAME, "torchao-int8wo"),
        (NAME, "Q4_K_M"),
    ],
)
def test_what_is_not_packed_in_groups_has_no_misfit(name: str, recipe: str) -> None:
    assert misfit([matrix(576, 576, name)], recipe) == ""


def test_mlx_packs_the_embedding_too() -> None:
    assert misfit([matrix(64, 576, "model.embed_tokens.weight")], "mlx-4bit-g128")


def test_a_folders_shapes_are_read_from_its_headers(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "m", plain_tensors())
    assert misfit(folder_tensors(folder), "gptq-w4g128") == ""
    odd = plain_tensors() | {NAME: ("F16", (128, 192))}
    folder = write_folder(tmp_path / "odd", odd)
    assert misfit(folder_tensors(folder), "gptq-w4g128") == (
        "192 columns are no multiple of the group of 128"
    )
