"""How many bytes a preset will take, from the headers of what it is made of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from grid.backend import PredictedTypes
from grid.models.gguf.inspection import read_all_headers
from grid.models.gguf.inventory import Hyperparameters, UnquantizedTensor, from_headers
from grid.models.gguf.inventory_config import from_config
from grid.models.gguf.predict import metadata_bytes_of, metadata_bytes_with, predict
from grid.models.gguf.reader import read_header
from grid_llamacpp.shapes import refuse_misfit, types_of
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
    refuse_misfit(inventory, model, recipe)
    return predict(inventory, model, recipe, metadata_bytes=metadata).file_bytes


def bytes_of_folder(source: Path, recipe: str) -> int:
    """As `predicted_bytes`, of a folder whoever converts it."""
    inventory, model, metadata = _of_folder(source)
    refuse_misfit(inventory, model, recipe)
    return predict(inventory, model, recipe, metadata_bytes=metadata).file_bytes


def predicted_types(source: Path, recipe: str) -> PredictedTypes:
    """The types of the tensors that `quantize` writes; of a folder whoever converts it. Raises as
    `predicted_bytes` does."""
    if source.is_dir():
        inventory, model, _ = _of_folder(source)
    else:
        inventory, model = from_headers(read_all_headers(read_header(source)))
    return types_of(inventory, model, recipe)


def _of_folder(folder: Path) -> tuple[tuple[UnquantizedTensor, ...], Hyperparameters, int | None]:
    """From config.json; the head is there where the weights have one, whatever the config ties."""
    from grid.models.checkpoint.files import read_config, read_weights

    output = any(tensor.name.startswith("lm_head.") for tensor in read_weights(folder).tensors)
    inventory, model = from_config(read_config(folder), output=output)
    tokenizer = _tokenizer(folder)
    if tokenizer is None or model.n_vocab is None:
        return inventory, model, None
    return inventory, model, metadata_bytes_with(tokenizer, model.n_vocab)


def _tokenizer(folder: Path) -> dict[str, Any] | None:
    """tokenizer.json, from where the conversion takes it; None where it is not there, which makes
    the header's size an estimate."""
    path = find_file(folder, "tokenizer.json")
    try:
        content = json.loads(path.read_bytes()) if path else None
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
