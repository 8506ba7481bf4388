"""Quantizations that GPTQModel makes of 16-bit weights with a calibration set."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import NamedTuple

from grid.backend import Recipe, Unsupported, did_you_mean
from grid.models.checkpoint.quantization_names import awq_name, gptq_name
from grid.models.checkpoint.recipe_fit import Multiples

COLUMN = -1
"""Group of a whole column: one scale for all weights of an output."""
_BITS = (2, 3, 4, 8)
_GROUPS = (32, 64, 128)
_COLUMN_BITS = (4, 8)
"""Below 4 bits one scale a column leaves nothing of a model."""
_SCALE_BITS = 16

MULTIPLES: Mapping[str, Multiples] = {
    "gptq": Multiples(inputs=32, outputs=32),
    "awq": Multiples(inputs=32, outputs=64),
}
"""What the sides of a matrix must be multiples of, by method, beside the group.

GPTQ packs both in words of 32 bits (3 bits: in blocks of 32 weights, else an index out of bounds),
and the kernel for packed 4-bit weights takes 16 outputs at a time. GPTQModel's AWQ looks for the
best clipping of 64 outputs at a time (`awq_processor`), and where that does not come out its
assertion ends the process. A last group that is cut short is made by its GPTQ alone: the kernels
for packed 4-bit weights refuse it, and other engines read no such checkpoint; so none is made."""


class Form(NamedTuple):
    """How a method lays weights out: `group` weights share a scale (COLUMN: a whole column).

    `desc_act`: columns are quantized in order of activation; `sym`: no zero points.
    """

    method: str
    bits: int
    group: int
    desc_act: bool
    sym: bool

    @property
    def name(self) -> str:
        if self.method == "awq":
            return awq_name(self.bits, self.group, not self.sym)
        return gptq_name(self.bits, self.group, self.desc_act, self.sym)

    @property
    def effective_bits(self) -> float:
        """Bits per weight: its own, and its share of a 16-bit scale and a packed zero point, which
        both formats store even where it is always the middle. GPTQ's index of groups, 32 bits an
        input column, depends on the layer's height and is left out."""
        shared = 0.0 if self.group == COLUMN else (_SCALE_BITS + self.bits) / self.group
        return self.bits + shared


def _gptq() -> list[Form]:
    shapes = [*product(_BITS, _GROUPS), *((bits, COLUMN) for bits in _COLUMN_BITS)]
    return [
        Form("gptq", bits, group, desc_act, sym)
        for bits, group in shapes
        for desc_act, sym in product((False, True), (True, False))
    ]


def _awq() -> list[Form]:
    # The format's kernels, here and elsewhere, know 4 bits with zero points.
    return [Form("awq", 4, group, False, False) for group in _GROUPS]


FORMS: Mapping[str, Mapping[str, Form]] = {
    "gptq": {form.name: form for form in _gptq()},
    "awq": {form.name: form for form in _awq()},
}
"""Every form that is made, by method and name."""


def recipes(method: str) -> dict[str, Recipe]:
    """Recipes of a method by name."""
    return {
        name: Recipe(name=name, bits=form.effective_bits, format=method, calibrated=True)
        for name, form in FORMS[method].items()
    }


def form_of(method: str, recipe: str) -> Form:
    """The form that a recipe's name stands for. Raises Unsupported, one line."""
    forms = FORMS[method]
    if recipe not in forms:
        hint = did_you_mean(recipe, forms) or f"Names are like {next(iter(forms))!r}."
        raise Unsupported(f"{recipe!r} is no recipe of {method}. {hint}")
    return forms[recipe]
