"""Bytes of a loaded model's tensors, packed ones of quantized layers included."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def tensor_bytes(model: Any) -> int:
    """Bytes of all weights and buffers; tensors that share memory count once."""
    stores: dict[tuple[str, int], int] = {}
    for tensor in _tensors(model):
        for part in _parts(tensor):
            store = part.untyped_storage()
            stores[str(part.device), store.data_ptr()] = store.nbytes()
    return sum(stores.values())


def _tensors(model: Any) -> Iterator[Any]:
    yield from model.parameters()
    yield from model.buffers()
    for parameter in model.parameters():
        # bitsandbytes keeps the scales of a packed weight beside it.
        state = getattr(parameter, "quant_state", None)
        for inner in (state, getattr(state, "state2", None)):
            if inner is not None:
                yield from (value for value in vars(inner).values() if _is_tensor(value))


def _parts(tensor: Any) -> Iterator[Any]:
    """The plain tensors that a tensor of tensors (torchao's) is made of."""
    flatten = getattr(tensor, "__tensor_flatten__", None)
    if flatten is None or type(tensor).__name__ in ("Tensor", "Parameter"):
        yield tensor
        return
    for name in flatten()[0]:
        yield from _parts(getattr(tensor, name))


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "untyped_storage")
