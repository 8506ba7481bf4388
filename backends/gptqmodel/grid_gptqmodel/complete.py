"""Whether a checkpoint has all that its model is made of. Loaders fill what is not there with zeros
or random numbers and say nothing; no figure is made of those."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from grid.errors import EngineError
from grid.formats.checkpoint_files import read_weights


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
    missing = sorted(name for name in model.state_dict() if name not in there | tied)
    if missing:
        raise EngineError(
            f"{path}: the checkpoint lacks {len(missing)} of the tensors that config.json asks "
            f"for, {missing[0]} first; is it the config.json of these weights?"
        )
