"""The 16-bit folder that is quantized: what must hold before hours are spent on it."""

from __future__ import annotations

from pathlib import Path

from grid.backend import EngineError, InputError, Unsupported
from grid.models.checkpoint.files import read_config, read_weights
from grid.models.checkpoint.inspection import format_of
from grid.models.checkpoint.recipe_fit import refuse_misfit
from grid.models.checkpoint.safetensors import SafetensorsTensor
from grid.models.checkpoint.sizes import is_packed, scheme_of
from grid_gptqmodel.recipes import FORMS, MULTIPLES, Form

_WIDTHS = {"F16": "float16", "BF16": "bfloat16", "F32": "float32"}


class Source:
    """A checked source; `dtype` is the type that most of its weights are stored in."""

    def __init__(self, folder: Path, form: Form) -> None:
        self.folder = folder
        try:
            kind = format_of(folder)
            config = read_config(folder)
            tensors = read_weights(folder).tensors
        except InputError as error:
            raise EngineError(str(error)) from error
        if kind != "safetensors":
            raise Unsupported(
                f"{form.name} is made of a folder of 16-bit safetensors; {folder.name} is {kind}"
            )
        refuse_misfit(tensors, form.name, FORMS[form.method], MULTIPLES[form.method])
        scheme = scheme_of(form.name)
        matrices = [t for t in tensors if scheme is not None and is_packed(t, scheme)]
        self.dtype = _common_type(matrices or list(tensors))
        self.context_length = config.get("max_position_embeddings")


def _common_type(tensors: list[SafetensorsTensor]) -> str:
    counts: dict[str, int] = {}
    for tensor in tensors:
        counts[tensor.dtype] = counts.get(tensor.dtype, 0) + tensor.elements
    most = max(counts, key=lambda name: counts[name]) if counts else ""
    if most not in _WIDTHS:
        raise Unsupported(f"weights stored as {most or 'nothing'} are not quantized; 16 bits are")
    return _WIDTHS[most]
