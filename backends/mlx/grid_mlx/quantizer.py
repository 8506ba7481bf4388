"""Make MLX checkpoints from 16-bit ones with mlx-lm's quantizer."""

from __future__ import annotations

import contextlib
import copy
import io
import shutil
from pathlib import Path
from typing import Any

from grid.backend import Calibration, EngineError, Unsupported, did_you_mean, write_whole
from grid_mlx import library
from grid_mlx.failures import evaluating
from grid_mlx.loading import load_lazily
from grid_mlx.recipes import SCHEMES, Scheme

WRITER_VERSION = 1
"""Raised whenever the same weights would be written as other bytes."""

_QUANTIZED = ("quantization", "quantization_config", "compression_config")
_COPIED = ("tokenizer*", "*.tiktoken", "vocab.*", "merges.txt", "special_tokens_map.json",
           "added_tokens.json", "generation_config.json", "chat_template*")  # fmt: skip


def identity() -> str:
    """Name and version of what makes the bytes; the pinned versions where none is installed."""
    return f"{library.versions()}, writer {WRITER_VERSION}"


def quantize(
    source: Path,
    recipe: str,
    target: Path,
    threads: int,
    calibration: Calibration | None = None,
    device: str = "cpu",
) -> None:
    """Write the 16-bit checkpoint folder `source` at `recipe` to the folder `target`, which appears
    whole or not at all. No calibration is used; MLX takes no number of threads.

    Raises Unsupported for what cannot be made of it, EngineError where MLX or the disk fails.
    """
    scheme = SCHEMES.get(recipe)
    if scheme is None:
        raise Unsupported(f"{recipe!r} is no recipe of mlx. {did_you_mean(recipe, SCHEMES)}")
    if not source.is_dir():
        raise Unsupported(f"{recipe} is made of a checkpoint folder; {source.name} is none")
    library.use_device(device)
    if target.exists():
        raise EngineError(f"{target.name} is there already; remove it to make it again")
    with write_whole(target) as folder:
        folder.mkdir()
        with evaluating(f"{recipe} of {source.name} cannot be made"):
            _write(source, scheme, recipe, folder)
    library.core().clear_cache()


def _write(source: Path, scheme: Scheme, recipe: str, folder: Path) -> None:
    utils = library.language_models()
    if any(utils.load_config(source).get(name) for name in _QUANTIZED):
        raise Unsupported(f"{source.name} is already quantized; start from its 16-bit weights")
    model, config = load_lazily(source)
    _check_layers(model, scheme, recipe)
    with contextlib.redirect_stdout(io.StringIO()):  # mlx-lm prints what it reached
        model, config = utils.quantize_model(
            model, copy.deepcopy(config), scheme.group, scheme.bits, mode=scheme.mode
        )
    utils.save_model(folder, model, donate_model=True)
    utils.save_config(config, folder / "config.json")
    _copy_tokenizer(source, folder)


def _check_layers(model: Any, scheme: Scheme, recipe: str) -> None:
    """The file has to be what its name says. mlx-lm leaves a weight in 16 bits whose rows are no
    multiple of the group, and models name layers that they want in other bits (routers of experts).
    Those that they want unquantized stay so."""
    chosen = getattr(model, "quant_predicate", None)
    for name, module in model.named_modules():
        if not hasattr(module, "to_quantized"):
            continue
        wanted = True if chosen is None else chosen(name, module)
        if isinstance(wanted, dict):
            _check_same(wanted, scheme, recipe, name)
        width = int(module.weight.shape[-1])
        if width % scheme.group and wanted:
            raise Unsupported(
                f"{recipe}: {name} has rows of {width} weights, no multiple of the group of "
                f"{scheme.group}; choose a smaller group"
            )


def _check_same(wanted: dict[str, Any], scheme: Scheme, recipe: str, name: str) -> None:
    """Raises Unsupported where a model wants a layer quantized otherwise than the recipe does."""
    bits, group = wanted.get("bits", scheme.bits), wanted.get("group_size", scheme.group)
    if (bits, group, wanted.get("mode", "affine")) != (scheme.bits, scheme.group, scheme.mode):
        raise Unsupported(
            f"{recipe}: mlx-lm keeps {name} of this kind of model at {bits} bits in groups of "
            f"{group}, beside which the file would be a mixture; only a recipe of just that is made"
        )


def _copy_tokenizer(source: Path, folder: Path) -> None:
    for pattern in _COPIED:
        for path in sorted(source.glob(pattern)):
            if path.is_file():
                shutil.copyfile(path, folder / path.name)
