"""How many bytes a preset will take, from the headers of what it is made of."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from grid.backend import PredictedTypes
from grid.models.gguf.inspection import read_all_headers
from grid.models.gguf.inventory import Hyperparameters, UnquantizedTensor, from_headers
from grid.models.gguf.inventory_config import from_config
from grid.models.gguf.predict import metadata_bytes_of, metadata_bytes_with, predict
from grid.models.gguf.reader import read_header
from grid_llamacpp.matrix.fit import check_file
from grid_llamacpp.recipes import parse
from grid_llamacpp.shapes import Inventory, refuse_misfit, refuse_unmatched, types_of
from grid_llamacpp.vocabulary import find_file


def predicted_bytes(source: Path, recipe: str) -> int:
    """Bytes of the GGUF that `quantize` makes of `source`, a 16-bit GGUF (of several parts the
    first) or a checkpoint folder, tensor by tensor as llama.cpp chooses their types.

    Raises InputError where the header cannot be read or the architecture is not known, Unsupported
    for a folder that is not converted here and for a preset that cannot store these rows.
    """
    if source.is_dir():
        from grid_llamacpp.convert import refuse_unknown

        refuse_unknown(source)
        return bytes_of_folder(source, recipe)
    headers = read_all_headers(read_header(source))
    inventory, model = from_headers(headers)
    metadata = metadata_bytes_of(headers)
    return _bytes(inventory, model, recipe, metadata)


def bytes_of_folder(source: Path, recipe: str) -> int:
    """As `predicted_bytes`, of a folder whoever converts it."""
    inventory, model = _of_folder(source)
    return _bytes(inventory, model, recipe, _metadata_bytes(source, model.n_vocab))


def predicted_types(source: Path, recipe: str) -> PredictedTypes:
    """The types of the tensors that `quantize` writes; of a folder whoever converts it. Raises as
    `predicted_bytes` does."""
    return types_of(*_inventory(source), recipe)


def check_recipe(source: Path, name: str, matrix: Path | None) -> str:
    """See `grid.backend.ComposesRecipes`; of a folder whoever converts it."""
    inventory, model = _inventory(source)
    preset = parse(name)
    refuse_unmatched(inventory, model, preset)
    if matrix is None or not preset.matrix:
        return ""
    return check_file(matrix, inventory, model, types_of(inventory, model, name).tensor_types)


def _bytes(
    inventory: Inventory, model: Hyperparameters, recipe: str, metadata_bytes: int | None
) -> int:
    preset = parse(recipe)
    refuse_misfit(inventory, model, preset)
    size = predict(
        inventory,
        model,
        preset.name,
        metadata_bytes=metadata_bytes,
        importance_matrix=preset.matrix,
        changes=preset.changes,
    )
    return size.file_bytes


def _inventory(source: Path) -> tuple[Inventory, Hyperparameters]:
    if source.is_dir():
        return _of_folder(source)
    return from_headers(read_all_headers(read_header(source)))


def _of_folder(folder: Path) -> tuple[tuple[UnquantizedTensor, ...], Hyperparameters]:
    """From config.json; the head is there where the weights have one, whatever the config ties."""
    from grid.models.checkpoint.files import read_config, read_weights

    output = any(tensor.name.startswith("lm_head.") for tensor in read_weights(folder).tensors)
    return from_config(read_config(folder), output=output)


def _metadata_bytes(folder: Path, vocabulary: int | None) -> int | None:
    """By tokenizer.json, from where the conversion takes it; None where it is not there, which
    makes the header's size an estimate."""
    path = find_file(folder, "tokenizer.json")
    if path is None or vocabulary is None:
        return None
    return _metadata_bytes_of(path, path.stat().st_mtime_ns, vocabulary)


@lru_cache(maxsize=4)
def _metadata_bytes_of(tokenizer: Path, changed_ns: int, vocabulary: int) -> int | None:
    """Kept, because a plan asks for each of its quants, and a tokenizer takes a while to read."""
    try:
        content = json.loads(tokenizer.read_bytes())
    except (OSError, ValueError):
        return None
    return metadata_bytes_with(content, vocabulary) if isinstance(content, dict) else None
