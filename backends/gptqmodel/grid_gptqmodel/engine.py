"""A checkpoint loaded by GPTQModel, or a 16-bit one by the same environment's transformers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from grid_transformers.engine import HfEngine, open_engine
from grid_transformers.environment import describe
from grid_transformers.library import stack_version
from grid_transformers.loading import Loaded, choose_device

from grid.backend import InputError, Options, Unsupported
from grid.models.checkpoint.files import read_config
from grid.models.checkpoint.quantization import Quantization, read_quantization
from grid_gptqmodel.loading import load_plain, load_quantized


@contextmanager
def load(method: str, path: Path, device: str, options: Options) -> Iterator[HfEngine]:
    """Load a model folder; leaving gives its memory back.

    `device` is `cpu`, `cuda` or `cuda:1`. Raises OutOfMemory, Unsupported or EngineError.
    """
    place = choose_device(device, options)
    config, quantization = read_folder(path)
    if quantization is not None and quantization.format != method:
        raise Unsupported(
            f"{path.name} is {quantization.quant}; {method} runs {method} and 16-bit weights"
        )

    def make() -> Loaded:
        model, numerics = (
            load_plain(path, place, options)
            if quantization is None
            else load_quantized(path, place, options, quantization, _sym(config))
        )
        return Loaded(model, _version(), {**describe(model, options), **numerics})

    with open_engine(path, place, options, make) as engine:
        yield engine


def read_folder(path: Path) -> tuple[Mapping[str, Any], Quantization | None]:
    """A folder's config.json and quantization. What is wrong with them when an engine loads it is
    the engine's error: raises Unsupported, one line."""
    try:
        config = read_config(path)
        return config, read_quantization(path, config)
    except InputError as error:
        raise Unsupported(str(error)) from error


def _sym(config: Any) -> bool:
    quantization = config.get("quantization_config") or {}
    return bool(quantization.get("sym", True))


def _version() -> str:
    return f"gptqmodel {version('gptqmodel')}, {stack_version()}"
