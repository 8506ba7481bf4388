"""Make GGUF weights: conversion from safetensors, quantization by llama.cpp."""

from __future__ import annotations

import ctypes
from pathlib import Path

from grid.backend import (
    Calibration,
    EngineError,
    InputError,
    Unsupported,
    did_you_mean,
    package_version,
    write_whole,
)
from grid.models.gguf.inspection import quant_of
from grid.models.gguf.reader import GgufHeader, read_header
from grid_llamacpp.library import PACKAGE, library
from grid_llamacpp.recipes import (
    EXPERTS_ONLY,
    FILE_TYPE_NUMBERS,
    NEEDS_MATRIX,
    PLAIN,
    RECIPES,
)

CONVERTER_VERSION = 1
"""Raised whenever the same safetensors would be written as other bytes."""
_RUNTIME = Path(__file__).with_name("runtime.txt")


def identity() -> str:
    """Name and version of what makes the bytes; the pinned version where none is installed."""
    return f"{PACKAGE} {package_version(PACKAGE, _RUNTIME)}, converter {CONVERTER_VERSION}"


def quantize(
    source: Path,
    recipe: str,
    target: Path,
    threads: int,
    calibration: Calibration | None = None,
    device: str = "cpu",
) -> None:
    """Write `source` (GGUF of 16 or 32 bits, or a Llama's safetensors folder) at `recipe`; no
    recipe here takes a calibration set. A quantized GGUF is dequantized to 16 or 32 bits.

    The target appears whole or not at all. Raises Unsupported for what cannot be made, EngineError
    where llama.cpp or the disk fails.
    """
    _check_recipe(recipe)
    with write_whole(target) as path:
        if source.is_dir():
            _convert(source, recipe, path)
        else:
            _requantize(source, recipe, path, threads)


def _check_recipe(recipe: str) -> None:
    if recipe in NEEDS_MATRIX:
        raise Unsupported(f"{recipe} needs an importance matrix, which is not made here")
    if recipe not in RECIPES:
        raise Unsupported(f"{recipe!r} is no preset of llama.cpp. {did_you_mean(recipe, RECIPES)}")


def _convert(source: Path, recipe: str, target: Path) -> None:
    if recipe not in PLAIN:
        raise Unsupported(
            f"{recipe} from safetensors takes two steps: convert {source.name} to F16 first"
        )
    from grid_llamacpp.convert import convert

    convert(source, recipe, target)


def _requantize(source: Path, recipe: str, target: Path, threads: int) -> None:
    header = _read_source(source)
    quant = quant_of([header])
    if quant not in PLAIN and recipe not in PLAIN:
        raise Unsupported(
            f"{source.name} is already quantized ({quant}); start from its 16-bit weights"
        )
    if recipe == EXPERTS_ONLY and not any("_exps" in tensor.name for tensor in header.tensors):
        raise Unsupported(f"{recipe} is for mixtures of experts; use Q8_0 for {source.name}")
    engine = library()
    parameters = engine.api.llama_model_quantize_default_params()
    parameters.ftype = FILE_TYPE_NUMBERS[recipe]
    parameters.nthread = threads
    parameters.allow_requantize = quant not in PLAIN  # to 16 or 32 bits: nothing is lost twice
    mark = engine.log.mark()
    code = engine.api.llama_model_quantize(
        str(source).encode(), str(target).encode(), ctypes.byref(parameters)
    )
    if code:
        raise engine.error(f"{recipe} of {source.name} cannot be made", mark)


def _read_source(source: Path) -> GgufHeader:
    try:
        return read_header(source)
    except InputError as error:
        raise EngineError(str(error)) from error
