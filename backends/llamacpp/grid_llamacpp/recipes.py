"""Presets of the linked llama.cpp, and recipes that change them: a matrix, types of tensors."""

from __future__ import annotations

import re
import shlex
from typing import NamedTuple

from grid.backend import InputError, Recipe, RecipeChanges, did_you_mean
from grid.models.gguf import rules
from grid.models.gguf.ggml_types import FILE_TYPES, TYPES_BY_NAME
from grid.models.gguf.type_changes import TypeChanges

FILE_TYPE_NUMBERS = {name: number for number, name in FILE_TYPES.items()}

PLAIN = ("F32", "F16", "BF16")
"""Not quantized: made by conversion."""

EXPERTS_ONLY = rules.EXPERTS_ONLY
"""Stores the experts of a mixture in MXFP4; a model without experts would come out as Q8_0."""

MATRIX = "+imatrix"
"""Ends the name of a preset that is made with an importance matrix though it needs none."""

_BITS: dict[str, float] = {
    "F32": 32.0,
    "F16": 16.0,
    "BF16": 16.0,
    "Q8_0": 8.5,
    "Q6_K": 6.5633,
    "Q5_K_M": 5.7036,
    "Q5_K_S": 5.5704,
    "Q5_1": 6.0,
    "Q5_0": 5.5,
    "Q4_K_M": 4.8944,
    "Q4_K_S": 4.6672,
    "Q4_1": 5.0,
    "Q4_0": 4.5,
    "IQ4_NL": 4.6818,
    "NVFP4": 4.5,
    "IQ4_XS": 4.4597,
    "MXFP4_MOE": 4.25,
    "Q3_K_L": 4.2979,
    "Q3_K_M": 3.9960,
    "Q3_K_S": 3.6429,
    "IQ3_M": 3.7628,
    "IQ3_S": 3.6606,
    "IQ3_XS": 3.4977,
    "IQ3_XXS": 3.2548,
    "Q2_K": 3.1593,
    "Q2_K_S": 2.9697,
    "IQ2_M": 2.9294,
    "IQ2_S": 2.7403,
    "IQ2_XS": 2.5882,
    "IQ2_XXS": 2.3824,
    "Q2_0": 2.25,
    "IQ1_M": 2.1460,
    "TQ2_0": 2.0625,
    "IQ1_S": 2.0042,
    "TQ1_0": 1.6875,
    "Q1_0": 1.125,
}
"""Nominal bits per weight: what llama.cpp's quantize README gives for Llama-3.1-8B (mixed presets,
embeddings included), the block type's own for the others."""

NEEDS_MATRIX = frozenset(
    {"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "IQ3_XXS", "IQ3_XS", "Q2_K_S"}
)
"""Presets that llama.cpp refuses without an importance matrix."""

IGNORES_MATRIX = frozenset(
    {*PLAIN, "Q8_0", EXPERTS_ONLY, rules.BLOCKS_ONLY, "Q2_0", "Q1_0", "TQ1_0", "TQ2_0"}
)
"""Presets of types that llama.cpp writes alike with a matrix and without."""

RECIPES: dict[str, Recipe] = {
    name: Recipe(name=name, bits=bits, calibrated=name in NEEDS_MATRIX)
    for name, bits in _BITS.items()
}

_TYPES = {
    name.lower(): name
    for name in TYPES_BY_NAME
    if name not in {"q8_1", "q8_K", "f64", "i8", "i16", "i32", "i64"}
}
"""Types that a tensor can be stored in, by their names in lower case."""

_MATRIX_TYPES = frozenset({"iq3_xxs", "iq2_xxs", "iq2_xs", "iq2_s", "iq1_m", "iq1_s"})
"""Types that llama.cpp writes with an importance matrix only."""

_EMBEDDING, _OUTPUT, _TENSOR = "--token-embedding-type", "--output-tensor-type", "--tensor-type"
"""Options of llama-quantize: how a recipe of one's own is written."""


class Preset(NamedTuple):
    """A recipe as it is carried out: a preset, with a matrix or without, with types changed."""

    name: str
    matrix: bool
    changes: TypeChanges = TypeChanges()

    @property
    def text(self) -> str:
        """The recipe as one line, which `parse` reads: `Q4_K_M+imatrix --tensor-type x=q6_K`."""
        words = [self.name + (MATRIX if self.matrix and self.name not in NEEDS_MATRIX else "")]
        if self.changes.token_embedding:
            words += [_EMBEDDING, self.changes.token_embedding]
        if self.changes.output:
            words += [_OUTPUT, self.changes.output]
        for pattern, kind in self.changes.tensors:
            words += [_TENSOR, f"{pattern}={kind}"]
        return shlex.join(words)

    @property
    def recipe(self) -> Recipe:
        return Recipe(name=self.text, bits=_BITS[self.name], calibrated=self.matrix)


def parse(text: str) -> Preset:
    """The recipe of a name in `RECIPES`, with `+imatrix` behind it or not, or of a line that
    `Preset.text` wrote. Raises InputError."""
    try:
        first, *words = shlex.split(text) or [""]
    except ValueError:
        raise InputError(f"{text!r} is no recipe of llama.cpp") from None
    name, plus, _ = first.partition(MATRIX)
    tensors: dict[str, str] = {}
    fixed = {_EMBEDDING: "", _OUTPUT: ""}
    for option, value in zip(words[::2], words[1::2], strict=False):
        pattern, _, kind = value.rpartition("=")
        if option == _TENSOR:
            tensors[pattern] = kind
        else:
            fixed[option] = value
    changes = RecipeChanges(
        imatrix=True if plus else None,
        tensor_types=tensors,
        token_embedding=fixed[_EMBEDDING],
        output=fixed[_OUTPUT],
    )
    return compose(name, changes)


def compose(preset: str, changes: RecipeChanges) -> Preset:
    """A preset with changes. Raises InputError for what llama.cpp would not take."""
    if preset not in RECIPES:
        raise InputError(f"{preset!r} is no preset of llama.cpp. {did_you_mean(preset, RECIPES)}")
    types = TypeChanges(
        tensors=tuple(
            (_pattern(pattern), _type(f"tensor_types.{pattern}", kind))
            for pattern, kind in changes.tensor_types.items()
        ),
        token_embedding=_whole_type("token_embedding", changes.token_embedding),
        output=_whole_type("output", changes.output),
    )
    if preset in PLAIN and types:
        raise InputError(f"{preset} quantizes nothing, so that no tensor's type can be changed")
    wanting = [kind for _, kind in types.tensors if kind in _MATRIX_TYPES]
    needs = f"{preset}" if preset in NEEDS_MATRIX else next(iter(wanting), "")
    if needs and changes.imatrix is False:
        raise InputError(f"{needs} cannot be made without an importance matrix; leave imatrix out")
    if changes.imatrix and preset in IGNORES_MATRIX and not types:
        raise InputError(f"{preset} makes no use of an importance matrix; write {preset} alone")
    return Preset(preset, bool(needs or changes.imatrix), types)


def _pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise InputError(f"tensor_types: {pattern!r} is no regular expression ({error})") from error
    if not pattern:
        raise InputError("tensor_types: an empty pattern; write a part of the tensors' names")
    return pattern


def _type(place: str, name: str) -> str:
    if name.lower() not in _TYPES:
        hint = did_you_mean(name.lower(), _TYPES)
        raise InputError(f"{place}: {name!r} is no type of llama.cpp. {hint}")
    return _TYPES[name.lower()]


def _whole_type(place: str, name: str) -> str:
    kind = _type(place, name) if name else ""
    if kind in _MATRIX_TYPES:
        raise InputError(
            f"{place}: {kind} needs an importance matrix, which has nothing of embeddings and "
            "output; write another type, such as q4_K"
        )
    return kind
