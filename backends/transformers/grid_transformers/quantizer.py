"""Make quantized checkpoints: load 16-bit weights with a quantization config and save them."""

from __future__ import annotations

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
from grid.models.detect import format_of
from grid_transformers.library import release
from grid_transformers.loading import from_folder
from grid_transformers.recipes import MAKERS, RECIPES, Maker
from grid_transformers.tokenizer import copy_tokenizer

WRITER_VERSION = 1
"""Raised whenever the same source would be written as other bytes."""
_PACKAGES = ("transformers", "bitsandbytes", "torchao")
_RUNTIME = Path(__file__).with_name("runtime.txt")


def identity() -> str:
    """Names and versions of what makes the bytes; the pinned ones where none is installed."""
    made_by = ", ".join(f"{name} {package_version(name, _RUNTIME)}" for name in _PACKAGES)
    return f"{made_by}, writer {WRITER_VERSION}"


def quantize(
    source: Path,
    recipe: str,
    target: Path,
    threads: int,
    calibration: Calibration | None = None,
    device: str = "cpu",
) -> None:
    """Write the 16-bit folder `source` at `recipe` to the folder `target`; no recipe here takes a
    calibration set.

    The target appears whole or not at all. Raises Unsupported for what cannot be made, EngineError
    where transformers or the disk fails.
    """
    if recipe not in MAKERS:
        raise Unsupported(
            f"{recipe!r} is no recipe of transformers. {did_you_mean(recipe, RECIPES)}"
        )
    _check_source(source, recipe)
    with write_whole(target) as folder:
        _write(source, MAKERS[recipe], folder, threads, device)


def _check_source(source: Path, recipe: str) -> None:
    try:
        kind = format_of(source)
    except InputError as error:
        raise EngineError(str(error)) from error
    if kind != "safetensors":
        raise Unsupported(
            f"{recipe} is made of a folder of 16-bit safetensors; {source.name} is {kind}"
        )


def _write(source: Path, maker: Maker, folder: Path, threads: int, device: str) -> None:
    model = from_folder(source, device, "checkpoint", "sdpa", threads, maker.config)
    try:
        # Saved before any evaluation: bitsandbytes repacks weights at the first one.
        model.save_pretrained(folder, max_shard_size="5GB")
    finally:
        del model
        release(device)
    copy_tokenizer(source, folder)
