"""Make GGUF weights: conversion from safetensors, quantization by llama.cpp."""

from __future__ import annotations

import ctypes
from pathlib import Path

from grid.backend import (
    Calibration,
    EngineError,
    InputError,
    Unsupported,
    package_version,
    write_whole,
)
from grid.models.gguf.inspection import quant_of, read_all_headers
from grid.models.gguf.inventory import from_headers
from grid.models.gguf.reader import GgufHeader, read_header
from grid_llamacpp.library import PACKAGE, library
from grid_llamacpp.matrix.compute import matrix_of
from grid_llamacpp.matrix.importance import ImportanceMatrix
from grid_llamacpp.native_recipe import NativeRecipe
from grid_llamacpp.recipes import EXPERTS_ONLY, PLAIN, Preset, parse
from grid_llamacpp.shapes import refuse_unmatched

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
    """Write `source` (GGUF of 16 or 32 bits, or a Llama's safetensors folder) at `recipe`. A
    quantized GGUF is dequantized to 16 or 32 bits. A recipe with an importance matrix takes the
    calibration: a text, of which the matrix is computed, or a matrix.

    The target appears whole or not at all. Raises Unsupported for what cannot be made, EngineError
    where llama.cpp or the disk fails.
    """
    try:
        preset = parse(recipe)
    except InputError as error:
        raise Unsupported(str(error)) from error
    if source.is_dir():
        with write_whole(target) as path:
            _convert(source, preset, path)
        return
    _check_source(source, preset)
    matrix = matrix_of(source, calibration, threads, device) if preset.matrix else None
    with write_whole(target) as path:
        _requantize(source, preset, path, threads, matrix)


def _convert(source: Path, preset: Preset, target: Path) -> None:
    if preset.name not in PLAIN:
        raise Unsupported(
            f"{preset.name} from safetensors takes two steps: convert {source.name} to F16 first"
        )
    from grid_llamacpp.convert import convert

    convert(source, preset.name, target)


def _check_source(source: Path, preset: Preset) -> None:
    header = _read_source(source)
    quant = quant_of([header])
    if quant not in PLAIN and preset.name not in PLAIN:
        raise Unsupported(
            f"{source.name} is already quantized ({quant}); start from its 16-bit weights"
        )
    experts = any("_exps" in tensor.name for tensor in header.tensors)
    if preset.name == EXPERTS_ONLY and not experts:
        raise Unsupported(f"{EXPERTS_ONLY} is for mixtures of experts; use Q8_0 for {source.name}")
    if preset.changes:
        try:
            refuse_unmatched(*from_headers(read_all_headers(header)), preset)
        except InputError as error:
            raise Unsupported(str(error)) from error


def _requantize(
    source: Path, preset: Preset, target: Path, threads: int, matrix: ImportanceMatrix | None
) -> None:
    engine = library()
    requantize = quant_of([_read_source(source)]) not in PLAIN  # to 16 or 32 bits, losing nothing
    native = NativeRecipe(engine.api, preset, matrix, threads, requantize)
    mark = engine.log.mark()
    code = engine.api.llama_model_quantize(
        str(source).encode(), str(target).encode(), ctypes.byref(native.fields)
    )
    if code:
        raise engine.error(f"{preset.text} of {source.name} cannot be made", mark)


def _read_source(source: Path) -> GgufHeader:
    try:
        return read_header(source)
    except InputError as error:
        raise EngineError(str(error)) from error
