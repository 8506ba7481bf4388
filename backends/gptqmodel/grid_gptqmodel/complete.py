"""Whether a checkpoint has all that its model is made of. Loaders fill what is not there with zeros
or random numbers and say nothing; no figure is made of those."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from grid.errors import EngineError
from grid.models.checkpoint.files import read_weights

_PACKED = frozenset({"qweight", "qzeros", "scales"})
_STORED = _PACKED | {"g_idx", "bias", "weight"}


def check_complete(path: Path, model: Any, zero_biases: bool = False) -> None:
    """Raises EngineError naming the first tensor of `model` that the folder lacks. To be asked
    before kernels lay their weights out anew. `zero_biases`: packed layers have a bias of zeros
    where the checkpoint has none."""
    there = {tensor.name for tensor in read_weights(path).tensors}
    tied: set[str] = set()
    if getattr(model.config, "tie_word_embeddings", False):
        tied = set(getattr(model, "_tied_weights_keys", None) or ())
    if zero_biases:
        there |= {name for name, _ in model.named_buffers() if name.endswith(".bias")}
    missing = sorted(set(_stored(model.state_dict())) - there - tied)
    if missing:
        raise EngineError(
            f"{path}: the checkpoint lacks {len(missing)} of the tensors that config.json asks "
            f"for, {missing[0]} first; is it the config.json of these weights?"
        )


def _stored(names: Collection[str]) -> Iterator[str]:
    """Tensors of a model that a checkpoint has: all but those that kernels of packed layers make
    for themselves, such as an order of inputs."""
    packed = {module for module, _, own in _split(names) if own in _PACKED}
    for module, name, own in _split(names):
        if own in _STORED or module not in packed:
            yield name


def _split(names: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Each name's module, the name, and its last part."""
    for name in names:
        module, _, own = name.rpartition(".")
        yield module, name, own
