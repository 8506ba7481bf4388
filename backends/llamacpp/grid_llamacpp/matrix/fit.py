"""Whether an importance matrix is of a model: names, widths, and what a recipe needs of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from grid.backend import InputError
from grid.models.gguf.inventory import Hyperparameters, UnquantizedTensor
from grid_llamacpp.matrix.files import read_matrix
from grid_llamacpp.matrix.importance import ImportanceMatrix

_WITHOUT = frozenset(
    {"f32", "f16", "bf16", "q8_0", "mxfp4", "nvfp4", "q1_0", "q2_0", "tq1_0", "tq2_0"}
)
"""Types that are written alike with a matrix and without."""

_REQUIRING = frozenset({"iq3_xxs", "iq2_xxs", "iq2_xs", "iq2_s", "iq1_m", "iq1_s"})


def check_file(
    path: Path,
    inventory: Sequence[UnquantizedTensor],
    model: Hyperparameters,
    types: Mapping[str, str],
) -> str:
    """Check the matrix in a file against a model and the types that a recipe gives its tensors.

    Returns a note of experts without data. Raises InputError, one line, for a matrix of another
    model and for one that lacks a tensor that the recipe weighs by it.
    """
    matrix = read_matrix(path)
    by_name = {tensor.name: tensor for tensor in inventory}
    strangers = [name for name in matrix.entries if name not in by_name]
    if strangers:
        raise InputError(
            f"{path} is of another model: {len(strangers)} of its {len(matrix.entries)} tensors "
            f"are not in this one, such as {strangers[0]}"
        )
    for name, entry in matrix.entries.items():
        expected = _values_of(by_name[name])
        if expected is not None and entry.sums.size != expected:
            raise InputError(
                f"{path} is of another model: it has {entry.sums.size} values for {name}, which "
                f"takes {expected}"
            )
    missing = list(_missing(matrix, inventory, model, types))
    if missing:
        raise InputError(
            f"{path} lacks {len(missing)} of the tensors that are quantized, such as {missing[0]}; "
            "compute it from more text, or leave imatrix out to have it computed here"
        )
    return unused_note(matrix)


def unused_note(matrix: ImportanceMatrix) -> str:
    """What to know of experts that no token of the text reached; empty where all were."""
    entries = matrix.entries.values()
    unused = sum(entry.unused for entry in entries)
    stacked = sum(len(entry.counts) for entry in entries if len(entry.counts) > 1)
    if not unused:
        return ""
    return (
        f"{unused} of {stacked} matrices of experts have no data in the importance matrix; their "
        "columns are weighed alike"
    )


def _missing(
    matrix: ImportanceMatrix,
    inventory: Sequence[UnquantizedTensor],
    model: Hyperparameters,
    types: Mapping[str, str],
) -> Iterator[str]:
    """Tensors of the blocks that a text passes through and the recipe weighs. Blocks that predict
    further tokens are in no matrix; they matter where their type cannot do without one."""
    evaluated = model.n_layer - model.n_layer_nextn
    for tensor in inventory:
        kind = types.get(tensor.name, tensor.plain_type)
        parts = tensor.name.split(".")
        if parts[0] != "blk" or tensor.name in matrix.entries or kind == tensor.plain_type:
            continue
        later = parts[1].isdigit() and int(parts[1]) >= evaluated
        if kind in _REQUIRING or (kind not in _WITHOUT and not later):
            yield tensor.name


def _values_of(tensor: UnquantizedTensor) -> int | None:
    """Values that a matrix has for a tensor: a row's, for each matrix that is stacked in it."""
    if tensor.shape is None or tensor.shape[0] is None:
        return None
    stacked = tensor.shape[2] if len(tensor.shape) > 2 else 1
    return None if stacked is None else tensor.shape[0] * stacked
