"""Vectors of whole texts, and models that give nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from grid.backend import EngineError, Unsupported
from grid_transformers.context import model_device, to_host
from grid_transformers.failures import computing
from grid_transformers.loading import Loaded
from grid_transformers.memory import tensor_bytes
from grid_transformers.tokenizer import open_tokenizer

_MODES = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "last",
}
_MODULES = ("Transformer", "Pooling", "Normalize")


def read_pooling(folder: Path) -> str:
    """How a text's tokens become one vector, by the folder's modules.json, which is
    sentence-transformers'; `mean` without one. Raises Unsupported for what is not computed here."""
    path = folder / "modules.json"
    modules = _json(path) if path.is_file() else []
    pooling = ""
    for module in modules:
        kind = str(module.get("type", "")).rsplit(".", 1)[-1]
        if kind not in _MODULES:
            raise Unsupported(f"{path}: a module {kind} is not computed here")
        if kind == "Pooling":
            pooling = _pooling_mode(folder / str(module.get("path", "")) / "config.json")
    return pooling or "mean"


def _pooling_mode(path: Path) -> str:
    config = _json(path)
    modes = [mode for name, mode in _MODES.items() if config.get(name)]
    modes = modes or [mode for mode in _MODES.values() if mode == config.get("pooling_mode")]
    others = [name for name, value in config.items() if name.startswith("pooling_mode_") and value]
    if len(modes) != 1 or len(others) > 1:
        raise Unsupported(f"{path}: takes one of mean, cls and last token, and nothing else")
    return modes[0]


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EngineError(f"{path}: cannot be read ({error})") from error


def embed_texts(
    model: Any, tokenizer: Any, texts: Sequence[str], pooling: str, limit: int | None
) -> npt.NDArray[np.float32]:
    """Vectors of length 1, [len(texts), width]. `model` has no head; `tokenizer` is one of the
    `tokenizers` library. One text at a time, so none is padded."""
    rows = []
    for text in texts:
        ids = tokenizer.encode(text, add_special_tokens=True).ids
        if limit is not None and len(ids) > limit:
            raise Unsupported(f"a text of {len(ids)} tokens; the model reads {limit}")
        rows.append(_pooled(model, ids, pooling))
    vectors = np.stack(rows)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not lengths.all():
        raise EngineError("the model gave a vector of zeros")
    unit: npt.NDArray[np.float32] = (vectors / lengths).astype(np.float32)
    return unit


def _pooled(model: Any, ids: list[int], pooling: str) -> npt.NDArray[np.float64]:
    import torch

    with computing("embedding"), torch.inference_mode():
        rows = torch.as_tensor([ids], dtype=torch.long, device=model_device(model))
        states = to_host(model(input_ids=rows, use_cache=False).last_hidden_state[0])
    picked = {"cls": states[:1], "last": states[-1:]}.get(pooling, states)
    vector: npt.NDArray[np.float64] = picked.mean(axis=0, dtype=np.float64)
    return vector


class HfEncoder:
    """Embeds of `grid.backend` over a model without a head: BERT's kind."""

    def __init__(self, loaded: Loaded, folder: Path) -> None:
        self._model, self.version = loaded.model, loaded.version
        self._environment = dict(loaded.environment)
        self._tokenizer = open_tokenizer(folder)
        self._limit = getattr(loaded.model.config, "max_position_embeddings", None)
        self.pooling = read_pooling(folder)

    def close(self) -> None:
        """Let go of the model; the engine is of no use afterwards."""
        self._model = None

    def environment(self) -> Mapping[str, str]:
        return self._environment

    def resize(self, context: int) -> None:
        """Raises Unsupported beyond the model's own limit; room is made as texts need it."""
        if self._limit and context > self._limit:
            raise Unsupported(f"{context} tokens asked, the model reads {self._limit}")

    def memory_report(self) -> Mapping[str, int]:
        return {"model_buffer_bytes": tensor_bytes(self._model)}

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return embed_texts(self._model, self._tokenizer, texts, self.pooling, self._limit)
