"""One text in evaluation: its ids, and the model's cache of their keys and values."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from grid.backend import EngineError, Unsupported
from grid_transformers.failures import computing

_WHOLE = sys.maxsize
_PROBED = 8
"""Tokens that are evaluated in one piece and in two, to see whether both say the same."""
_NEAR, _NEAR_ROUNDED = 0.01, 0.1
"""How far logits may lie apart, as a part of their spread, in 32 bits and in fewer. A state that is
lost on the way moves them by as much as they spread."""


class Forward:
    """Calls a causal language model; every evaluation of the engine goes through here.

    `device` is where ids go; `batch` the most tokens that are evaluated at once. `plain`: the cache
    is one of keys and values alone, of which rows can be taken, and which pieces of a text continue
    at will. Some models with a recurrent state lose it where several tokens, or any, continue on a
    cache: their texts are evaluated whole (`piece` is then beyond all texts, and `continues` is 1
    or 0, the tokens that may follow on a cache at once). `places`: it takes positions of tokens.
    `evaluated` counts tokens since it was made; who adds padding takes it off again.
    """

    def __init__(self, model: Any, batch: int) -> None:
        import torch

        self.torch, self.model, self.batch = torch, model, batch
        self.device = model_device(model)
        names = inspect.signature(model.forward).parameters
        self._keeps, self.places = _logits_parameter(names), "position_ids" in names
        self.evaluated = 0
        # Mamba's kind of models take their state by another name, and swallow this one unread.
        recurrent = "cache_params" in names and "past_key_values" not in names
        self._cache_name = "cache_params" if recurrent else "past_key_values"
        stateful = recurrent or bool(getattr(model, "_is_stateful", False))
        self.plain = not stateful and is_plain(self.cache())
        self.piece = self.continues = batch
        if not self.plain:
            self._probe()

    def _probe(self) -> None:
        """Find out by how many tokens at once a cache may be continued."""
        if self._agrees(_PROBED // 2):
            return
        self.piece = _WHOLE
        self.continues = 1 if self._agrees(_PROBED - 1) else 0

    def _agrees(self, first: int) -> bool:
        """Whether `first` tokens and the rest on their cache give the logits of one piece."""
        vocabulary = int(self.model.config.get_text_config(decoder=True).vocab_size)
        ids = self.ids([[(7 * place + 1) % vocabulary for place in range(_PROBED)]])
        whole = self(ids, None, _PROBED - first).double()
        cache = self.cache()
        try:
            self(ids[:, :first], cache, 1)
            cut = self(ids[:, first:], cache, _PROBED - first).double()
        except EngineError:
            return False  # nor can it be continued where that fails
        return bool((cut - whole).abs().max() <= self.near * whole.std().clamp(min=1e-6))

    @property
    def near(self) -> float:
        """How far two evaluations of the same may lie apart, as a part of the logits' spread."""
        config = getattr(self.model.config, "quantization_config", None)
        exact = self.model.dtype == self.torch.float32 and config is None
        return _NEAR if exact else _NEAR_ROUNDED

    def cache(self) -> Any:
        """An empty cache of the kind that the model's layers want."""
        from transformers import DynamicCache

        return DynamicCache(config=self.model.config)

    def ids(self, rows: Any) -> Any:
        return self.torch.as_tensor(rows, dtype=self.torch.long, device=self.device)

    def __call__(self, ids: Any, cache: Any, keep: int, **named: Any) -> Any:
        """Logits of the last `keep` positions, [rows, keep, vocabulary] in the model's own type.

        `ids` is [rows, tokens] on the device. Raises EngineError or one of its kinds.
        """
        wanted: dict[str, Any] = {self._keeps: keep} if self._keeps else {}
        wanted[self._cache_name] = cache
        if cache is not None and not self.plain and self.places:
            # Some of them count every continuation from 0 unless told.
            held = int(cache.get_seq_length())
            wanted["position_ids"] = self.ids([range(held, held + ids.shape[1])] * len(ids))
        self.evaluated += int(ids.numel())
        with computing("evaluation"), self.torch.inference_mode():
            out = self.model(input_ids=ids, use_cache=cache is not None, **(wanted | named))
            return out.logits[:, -keep:]

    def rows(self, ids: Sequence[int], cache: Any, wanted: Sequence[int], **named: Any) -> Any:
        """Logits after the tokens at the indices `wanted` of one row, [len(wanted), vocabulary]:
        the head computes no other, where the model can be told."""
        index = self.ids(wanted)
        named = {self._cache_name: cache, "use_cache": cache is not None} | named
        if self._keeps == "logits_to_keep":
            named[self._keeps] = index
        self.evaluated += len(ids)
        with computing("evaluation"), self.torch.inference_mode():
            logits = self.model(input_ids=self.ids([ids]), **named).logits[0]
            return logits if len(logits) == len(wanted) < len(ids) else logits[index]

    def fill(self, ids: Sequence[int], cache: Any) -> None:
        """Append tokens of one sequence to a cache, for their keys and values alone."""
        for start in range(0, len(ids), self.batch):
            self(self.ids([ids[start : start + self.batch]]), cache, 1)

    def check_continued(self, tokens: int) -> None:
        """Raises Unsupported where so many tokens cannot follow on a cache at once."""
        if tokens > self.continues and not self.plain and self.piece == _WHOLE:
            how = "one token at a time" if self.continues else "no token"
            raise Unsupported(
                f"{type(self.model).__name__} keeps a recurrent state that {how} continues in "
                "transformers; its texts are evaluated whole"
            )

    def append(self, ids: Sequence[int], cache: Any, first: int) -> Any:
        """Evaluate tokens of one sequence, in pieces, on top of the cache.

        Logits in 32 bits from index `first` on, [len(ids) - first, vocabulary], on the host.
        """
        parts = []
        for start in range(0, len(ids), self.piece):
            piece = ids[start : start + self.piece]
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


def _logits_parameter(names: Mapping[str, inspect.Parameter]) -> str:
    """What the model calls the number of positions whose logits it makes; `` where it makes all of
    them. transformers before 4.50 has the second name, and would swallow the first unread."""
    for name in ("logits_to_keep", "num_logits_to_keep"):
        if name in names:
            return name
    free = any(parameter.kind is parameter.VAR_KEYWORD for parameter in names.values())
    return "logits_to_keep" if free else ""


def to_host(logits: Any) -> npt.NDArray[np.float32]:
    """A copy in 32 bits, for no caller may hold on to the engine's memory."""
    copy: npt.NDArray[np.float32] = logits.float().cpu().numpy()
    return copy


class Context:
    """Ids that were appended, and the cache that holds them."""

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self.ids: list[int] = []
        self.cache: Any = forward.cache()

    def append(self, ids: Sequence[int]) -> None:
        """Evaluate tokens after those held, the logits of the last one included; synchronised.
        Raises Unsupported where the model cannot go on from what is held."""
        forward = self._forward
        if self.ids:
            forward.check_continued(len(ids))
        for start in range(0, len(ids), forward.piece):
            piece = list(ids[start : start + forward.piece])
            forward(forward.ids([piece]), self.cache, 1)
            self.ids += piece
        forward.wait()

    def truncate(self, tokens: int) -> None:
        """Keep the first `tokens` tokens. A cache that cannot be cut (recurrent state, a sliding
        window that has moved on) is filled again with the tokens that stay."""
        if tokens >= len(self.ids):
            return
        remaining, surplus = self.ids[:tokens], len(self.ids) - tokens
        if can_be_cut(self.cache):
            self.cache.crop(-surplus)
            self.ids = remaining
            return
        self.cache, self.ids = self._forward.cache(), []
        self.append(remaining)


def can_be_cut(cache: Any) -> bool:
    """Whether every layer holds all its tokens' keys and values, and nothing else."""
    return bool(cache.layers) and all(map(_holds_all_tokens, cache.layers))


def _holds_all_tokens(layer: Any) -> bool:
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
    return sum(_value_bytes(value) for layer in cache.layers for value in vars(layer).values())


def _value_bytes(value: Any) -> int:
    if isinstance(value, dict):
        return sum(map(_value_bytes, value.values()))
    if not hasattr(value, "element_size") or value.ndim < 3:
        return 0  # a layer's own constants, such as the length of its window
    return int(value.numel()) * int(value.element_size())
