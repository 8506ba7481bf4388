"""Recipes: named as every reader of checkpoints names them, with their bits."""

from __future__ import annotations

from pathlib import Path

import pytest
from grid_gptqmodel import awq, gptq
from grid_gptqmodel.recipes import FORMS, form_of
from hypothesis import given
from hypothesis import strategies as st

from grid.errors import Unsupported
from grid.models.checkpoint.quantization import read_quantization


def test_gptq_has_every_width_group_order_and_symmetry() -> None:
    names = set(gptq.recipes())
    assert len(names) == (4 * 3 + 2) * 2 * 2
    assert {"gptq-w2g32", "gptq-w3g64-act", "gptq-w4g128-asym", "gptq-w8gcol-act-asym"} <= names


def test_awq_has_what_its_format_has() -> None:
    assert list(awq.recipes()) == ["awq-w4g32", "awq-w4g64", "awq-w4g128"]


@pytest.mark.parametrize(
    ("recipe", "bits"),
    [
        ("gptq-w4g128", 4 + 20 / 128),
        ("gptq-w2g32", 2 + 18 / 32),
        ("gptq-w8g64-act", 8 + 24 / 64),
        ("gptq-w4gcol", 4.0),
    ],
)
def test_bits_count_a_scale_and_a_zero_point_a_group(recipe: str, bits: float) -> None:
    assert gptq.recipes()[recipe].bits == bits


def test_every_recipe_names_its_format_and_is_calibrated() -> None:
    for backend in (gptq, awq):
        recipes = backend.recipes().values()
        assert {(r.format, r.calibrated) for r in recipes} == {(backend.name, True)}


@given(st.sampled_from(sorted(FORMS["gptq"])))
def test_checkpoints_of_a_gptq_recipe_are_read_by_its_name(recipe: str) -> None:
    form = form_of("gptq", recipe)
    declared = {
        "quant_method": "gptq",
        "bits": form.bits,
        "group_size": form.group,
        "desc_act": form.desc_act,
        "sym": form.sym,
    }
    quantization = read_quantization(Path("nowhere"), {"quantization_config": declared})
    assert quantization is not None
    assert quantization.quant == recipe


def test_an_unknown_recipe_is_told_with_the_nearest() -> None:
    with pytest.raises(Unsupported, match=r"'gptq-w4g12' is no recipe of gptq\. Did you mean"):
        form_of("gptq", "gptq-w4g12")


def test_a_recipe_of_the_other_method_is_unknown() -> None:
    with pytest.raises(Unsupported, match="'gptq-w4g128' is no recipe of awq"):
        form_of("awq", "gptq-w4g128")
