"""Make quantized checkpoints: load 16-bit weights with a quantization config and save them."""

from __future__ import annotations

import contextlib
import os
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from grid.errors import EngineError, InputError, Unsupported, did_you_mean
from grid_transformers.recipes import MAKERS, RECIPES, Made

WRITER_VERSION = 1
"""Raised whenever the same source would be written as other bytes."""
_PACKAGES = ("transformers", "bitsandbytes", "torchao")
_TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "generation_config.json",
)


def identity() -> str:
    """Names and versions of what makes the bytes; the pinned ones where none is installed."""
    made_by = ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)
    return f"{made_by}, writer {WRITER_VERSION}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return pinned(name)


def pinned(name: str) -> str:
    """The version of a package in runtime.txt."""
    lines = Path(__file__).with_name("runtime.txt").read_text(encoding="utf-8").splitlines()
    return next(line.partition("==")[2] for line in lines if line.startswith(f"{name}=="))


def quantize(source: Path, recipe: str, target: Path, threads: int, device: str) -> None:
    """Write the 16-bit folder `source` at `recipe` to the folder `target`.

    The target appears whole or not at all. Raises Unsupported for what cannot be made, EngineError
    where transformers or the disk fails.
    """
    if recipe not in MAKERS:
        raise Unsupported(
            f"{recipe!r} is no recipe of transformers. {did_you_mean(recipe, RECIPES)}"
        )
    _check_source(source, recipe)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(source, MAKERS[recipe], temporary, threads, device)
        temporary.replace(target)
    except OSError as error:
        raise EngineError(f"{target.name} cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(temporary, ignore_errors=True)


def _check_source(source: Path, recipe: str) -> None:
    from grid.models.detect import format_of

    try:
        kind = format_of(source)
    except InputError as error:
        raise EngineError(str(error)) from error
    if kind != "safetensors":
        raise Unsupported(
            f"{recipe} is made of a folder of 16-bit safetensors; {source.name} is {kind}"
        )


def _write(source: Path, made: Made, folder: Path, threads: int, device: str) -> None:
    from grid_transformers.loading import from_folder, release

    model = from_folder(source, device, "checkpoint", "sdpa", threads, made.config)
    try:
        # Saved before any evaluation: bitsandbytes repacks weights at the first one.
        model.save_pretrained(folder, max_shard_size="5GB")
    finally:
        del model
        release(device)
    for name in _TOKENIZER:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
