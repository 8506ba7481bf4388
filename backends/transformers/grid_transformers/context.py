"""One text in evaluation: its ids, and the model's cache of their keys and values."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from grid_transformers.failures import computing


class Forward:
    """Calls a causal language model; every evaluation of the engine goes through here.

    `device` is where ids go; `batch` the most tokens of a sequence that are evaluated at once.
    """

    def __init__(self, model: Any, batch: int) -> None:
        import torch

        self.torch, self.model, self.batch = torch, model, batch
        self.device = model_device(model)
        names = inspect.signature(model.forward).parameters
        free = any(p.kind is p.VAR_KEYWORD for p in names.values())
        self._keeps = "logits_to_keep" in names or free

    def cache(self) -> Any:
        """An empty cache of the kind that the model's layers want."""
        from transformers import DynamicCache

        return DynamicCache(config=self.model.config)

    def ids(self, rows: Any) -> Any:
        return self.torch.as_tensor(rows, dtype=self.torch.long, device=self.device)

    def __call__(self, ids: Any, cache: Any, keep: int, **more: Any) -> Any:
        """Logits of the last `keep` positions, [rows, keep, vocabulary] in the model's own type.

        `ids` is [rows, tokens] on the device. Raises EngineError or one of its kinds.
        """
        wanted = {"logits_to_keep": keep} if self._keeps else {}
        with computing("evaluation"), self.torch.inference_mode():
            out = self.model(
                input_ids=ids, past_key_values=cache, use_cache=cache is not None, **wanted, **more
            )
            return out.logits[:, -keep:]

    def append(self, ids: Sequence[int], cache: Any, first: int) -> Any:
        """Evaluate tokens of one sequence, in pieces of `batch`, on top of the cache.

        Logits in 32 bits from index `first` on, [len(ids) - first, vocabulary], on the host.
        """
        parts = []
        for start in range(0, len(ids), self.batch):
            piece = ids[start : start + self.batch]
            # A piece before `first` is evaluated for its keys and values alone.
            wanted = min(len(piece), start + len(piece) - first)
            logits = self(self.ids([piece]), cache, max(wanted, 1))
            if wanted > 0:
                parts.append(to_host(logits[0]))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def wait(self) -> None:
        """Return when everything asked of the device is computed."""
        if self.device.type == "cuda":
            self.torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            self.torch.mps.synchronize()


def model_device(model: Any) -> Any:
    """The device of the first weight: where a model's input goes."""
    import itertools

    return next(itertools.chain(model.parameters(), model.buffers())).device


def to_host(logits: Any) -> npt.NDArray[np.float32]:
    """A copy in 32 bits, for no caller may hold on to the engine's memory."""
    found: npt.NDArray[np.float32] = logits.float().cpu().numpy()
    return found


class Context:
    """Ids that were appended, and the cache that holds them."""

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self.ids: list[int] = []
        self.cache: Any = forward.cache()

    def append(self, ids: Sequence[int]) -> None:
        """Evaluate tokens after those held, the logits of the last one included; synchronised."""
        forward = self._forward
        for start in range(0, len(ids), forward.batch):
            piece = list(ids[start : start + forward.batch])
            forward(forward.ids([piece]), self.cache, 1)
            self.ids += piece
        forward.wait()

    def truncate(self, tokens: int) -> None:
        """Keep the first `tokens` tokens. A cache that cannot be cut (recurrent state, a sliding
        window that has moved on) is filled again with the tokens that stay."""
        if tokens >= len(self.ids):
            return
        kept, surplus = self.ids[:tokens], len(self.ids) - tokens
        if can_be_cut(self.cache):
            self.cache.crop(-surplus)
            self.ids = kept
            return
        self.cache, self.ids = self._forward.cache(), []
        self.append(kept)


def can_be_cut(cache: Any) -> bool:
    """Whether every layer holds all its tokens' keys and values, and nothing else."""
    return bool(cache.layers) and all(map(_whole, cache.layers))


def _whole(layer: Any) -> bool:
    if not getattr(layer, "is_croppable", False) or not hasattr(layer, "keys"):
        return False
    window = getattr(layer, "sliding_window", None)
    return window is None or int(layer.get_seq_length()) < window


def is_plain(cache: Any) -> bool:
    """Whether the layers are attention with full caches only, empty ones included: then rows can be
    selected and repeated, and rows padded on the left can be masked."""
    from transformers.cache_utils import DynamicLayer

    return all(isinstance(layer, DynamicLayer) for layer in cache.layers) and not any(
        hasattr(layer, "conv_states") for layer in cache.layers
    )


def cache_bytes(cache: Any) -> int:
    """Bytes of the tensors that a cache's layers hold."""
    return sum(_held(value) for layer in cache.layers for value in vars(layer).values())


def _held(value: Any) -> int:
    if isinstance(value, dict):
        return sum(map(_held, value.values()))
    if not hasattr(value, "element_size") or value.ndim < 3:
        return 0  # a layer's own constants, such as the length of its window
    return int(value.numel()) * int(value.element_size())
