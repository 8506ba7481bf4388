"""Checkpoint folders read by mlx-lm, offline and without code of theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from grid.backend import EngineError, Unsupported
from grid_mlx import library
from grid_mlx.memory import reserve


class Loaded(NamedTuple):
    """A model of mlx-lm, its config.json's type, how its weights are kept, and the ids that end a
    text."""

    model: Any
    kind: str
    weights: str
    ends: frozenset[int]


def read(folder: Path, dtype: str) -> Loaded:
    """Load and evaluate every weight; `dtype` other than `checkpoint` converts all that is not
    packed. What mlx-lm raises goes through; see `failures.evaluating`."""
    stored = _stored_bytes(folder)
    reserve(stored, f"{folder.name} does not load")
    model, config = load_lazily(folder)
    mx, weights = library.core(), _weights(config, model)
    if dtype != "checkpoint":
        model.set_dtype(getattr(mx, dtype))
        size = sum(size for _, size in library.array_bytes(model).values())
        reserve(size, f"{folder.name} does not load in {dtype}")
    mx.eval(model.parameters())
    return Loaded(model, str(config["model_type"]), weights, _ends(config))


def load_lazily(folder: Path) -> tuple[Any, dict[str, Any]]:
    """The model with weights that are read when they are asked for, and its configuration.

    Raises Unsupported where mlx-lm has no class for the model's type.
    """
    utils = library.language_models()

    def classes(config: dict[str, Any]) -> Any:
        try:
            return utils._get_classes(config)
        except ValueError as error:
            kind = config.get("model_type")
            raise Unsupported(f"model type {kind!r} is unknown to {library.versions()}") from error

    model, config = utils.load_model(folder, lazy=True, get_model_classes=classes)
    return model, config


def _stored_bytes(folder: Path) -> int:
    if not folder.is_dir():
        raise EngineError(f"{folder.name}: MLX loads a checkpoint folder, this is none")
    return sum(path.stat().st_size for path in folder.glob("model*.safetensors"))


def _weights(config: dict[str, Any], model: Any) -> str:
    """`4 bits in groups of 64 (affine)`, or the types of unquantized ones, as stored."""
    quantization = config.get("quantization")
    if quantization:
        mode = quantization.get("mode", "affine")
        return f"{quantization['bits']} bits in groups of {quantization['group_size']} ({mode})"
    return ", ".join(sorted({kind for kind, _ in library.array_bytes(model).values()}))


def _ends(config: dict[str, Any]) -> frozenset[int]:
    declared = config.get("eos_token_id", (config.get("text_config") or {}).get("eos_token_id"))
    tokens = declared if isinstance(declared, list) else [declared]
    return frozenset(token for token in tokens if type(token) is int)
