"""The size of weights that no file is at hand of: parameters times bits per weight."""

from __future__ import annotations

import re
from typing import NamedTuple

from grid.models.gguf.presets import PRESETS
from grid.models.named_sizes import mixture_size, names_mixture
from grid.models.public.catalog import PublicModel, find_model, typical_bits

_MLX = re.compile(r"(?:mlx[-_])?q?(\d)(?:[-_]?bits?)?(?:[-_]g(\d+))?", re.IGNORECASE)
_SCALES = 32
"""Bits of the scale and the bias that a group of MLX's weights has."""
_GROUP = 64
_MXFP4 = 4 + 8 / 32
"""A scale of 8 bits for 32 weights."""
_WHOLE = {"F32": 32.0, "F16": 16.0, "FP16": 16.0, "BF16": 16.0}
_ALIASES = {"MXFP4": "MXFP4_MOE", "Q2_K_L": "Q2_K", "Q3_K": "Q3_K_M", "Q4_K": "Q4_K_M",
            "Q5_K": "Q5_K_M"}  # fmt: skip
_MARK = re.compile(r"^(?:i1|UD)-", re.IGNORECASE)
_COUNT = re.compile(r"(?:^|(?<=[-_. ]))[EG]?(\d+(?:\.\d+)?)([BM])(?=$|[-_. /])", re.IGNORECASE)
_UNITS = {"B": 1e9, "M": 1e6}


class ComputedSize(NamedTuple):
    """Bytes that weights take, and how they were computed."""

    bytes: int
    bits: float
    text: str


def computed_size(
    model: str, parameters: int | None, quant: str, format: str
) -> ComputedSize | None:
    """Size of a model at a quant, from parameters (else those in its name) and bits per weight.

    Exact to metadata where the model's shape is public; else the bits are those that models of its
    size have. None where the parameters or the bits are not known: formats that leave the embedding
    table at 16 bits need its shape.
    """
    public = find_model(model)
    if public is not None and parameters and abs(public.parameters / parameters - 1) > 0.1:
        public = None
    count = parameters or named_parameters(model)
    if not count:
        return None
    bits = _bits(public, count, quant, format)
    if bits is None:
        return None
    text = f"computed: {count / 1e9:.3g}B parameters x {bits:.3g} bits"
    return ComputedSize(round(count * bits / 8), bits, text)


def named_parameters(model: str) -> int | None:
    """Parameters of a public model by its name, or those that a name states: `0.5B`, `135M`, of a
    mixture all. None where it states none."""
    public = find_model(model)
    if public is not None:
        return public.parameters
    if names_mixture(model):
        size = mixture_size(model)
        return size.total if size else None
    match = _COUNT.search(model)
    return round(float(match[1]) * _UNITS[match[2].upper()]) if match else None


def _bits(model: PublicModel | None, count: int, quant: str, format: str) -> float | None:
    """Bits per weight of the whole file; `model` is the public one, if its shape is known."""
    name = _MARK.sub("", quant).upper()
    name = _ALIASES.get(name, name)
    if name in _WHOLE:
        return _WHOLE[name]
    if name in PRESETS and format == "gguf":
        if model is None:
            return typical_bits(count, name)
        size = model.size(name)
        return size.bpw_file if size else None
    if format == "mlx" and name in ("MXFP4", "MXFP4_MOE"):
        return _MXFP4
    match = _MLX.fullmatch(quant) if format == "mlx" else None
    return int(match[1]) + _SCALES / int(match[2] or _GROUP) if match else None
