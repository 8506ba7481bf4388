"""Parts of a memory estimate that follow from a model's shape, whichever engine runs it."""

from __future__ import annotations

import math

from grid.cells.workload import Quality, Tasks, Workload
from grid.models.model import Model


def embedding_width(model: Model) -> float:
    """Embedding width guessed from the parameters: 12 w^2 a layer, 2 w a vocabulary entry."""
    layers, vocabulary = max(len(model.layers), 1), model.vocabulary
    root = math.sqrt(4 * vocabulary**2 + 48 * layers * model.parameters)
    return (root - 2 * vocabulary) / (24 * layers)


def logits_bytes(
    model: Model, workload: Workload, batch: int, rows: int = 1, element_bytes: float = 16.0
) -> float:
    """Bytes of the logits that are kept at once: of every token where the quality of a text is
    measured, of a batch for task items, else of `rows` tokens.

    `element_bytes` count what an engine keeps of each: usually its own 32 bits, the copy handed
    out, and 64-bit work on part of it.
    """
    if isinstance(workload, Quality):
        rows = workload.context
    elif isinstance(workload, Tasks):
        rows = batch
    return element_bytes * rows * model.vocabulary
