"""Models with made-up weights, for speed and memory alone: `synthetic:llama-8b`.

    model = find_synthetic("synthetic:llama-8b")
    file = SyntheticFile(model.name, model.config, "Q4_K_M")    # its size is known now
    sha256 = file.write(stream)                                 # piece by piece

A file has the shape of a public model and the types that llama-quantize would give its tensors; the
weights are random blocks, and the vocabulary is the bytes, filled up to the model's own size.
"""

from grid.models.synthetic.catalog import (
    PREFIX,
    SyntheticModel,
    find_synthetic,
    synthetic_models,
)
from grid.models.synthetic.writer import GENERATOR, SyntheticFile

__all__ = [
    "GENERATOR",
    "PREFIX",
    "SyntheticFile",
    "SyntheticModel",
    "find_synthetic",
    "synthetic_models",
]
