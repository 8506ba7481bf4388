"""Inspect folders in Hugging Face's layout: the model's shape, its precision and its size."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from grid.errors import InputError
from grid.models.artifact import ArtifactFacts, Inspection
from grid.models.chat import read_chat_template
from grid.models.checkpoint.check_packing import check_packing
from grid.models.checkpoint.check_shapes import check_shapes
from grid.models.checkpoint.config import Config
from grid.models.checkpoint.files import CheckpointWeights, is_checkpoint, read_config, read_weights
from grid.models.checkpoint.layers import layer_states
from grid.models.checkpoint.quantization import read_quantization
from grid.models.checkpoint.safetensors import SafetensorsTensor
from grid.models.checkpoint.weight_roles import summary_of_checkpoint
from grid.models.checkpoint.weights import Weight, bits_per_weight, unpack_weights
from grid.models.checksum import files_sha256, git_id
from grid.models.model import Model
from grid.models.names import checkpoint_name
from grid.models.weight_parts import WeightParts

__all__ = ["format_of", "inspect", "is_checkpoint"]

PLAIN_FORMAT = "safetensors"
"""Format of a folder whose weights are not quantized."""


def inspect(path: Path) -> Inspection:
    """Model, quantization and size of a checkpoint folder, from its headers and config.json.

    Raises InputError with one line where something is missing, cannot be true, or contradicts
    itself.
    """
    values = read_config(path)
    quantization = read_quantization(path, values)
    weights = read_weights(path)
    config = Config(path / "config.json", values)
    check_packing(path, weights.tensors, quantization)
    unpacked = unpack_weights(weights.tensors, quantization)
    check_shapes(config, unpacked, quantization)
    summary = summary_of_checkpoint(config, unpacked)
    facts = _facts(weights, unpacked, summary.parts)
    model = Model(
        name=checkpoint_name(path.absolute()),
        family=config.architecture,
        source=str(path),
        revision=model_revision(facts.sha256, _configuration_ids(path)),
        architecture=config.architecture,
        parameters=facts.elements,
        context_length=config.context_length,
        vocabulary=config.vocabulary,
        layers=layer_states(config),
        chat=_has_chat_template(path),
        active_parameters=summary.active_parameters,
        experts=summary.experts,
    )
    quant = quantization.quant if quantization else plain_name(weights.tensors)
    return Inspection(model, quant, facts)


def format_of(path: Path) -> str:
    """`safetensors` for plain weights, else the quantization's format (`gptq`, `bnb`, ...).

    Reads the configuration only. Raises InputError where the folder or its method is unknown.
    """
    quantization = read_quantization(path, read_config(path))
    return quantization.format if quantization else PLAIN_FORMAT


def plain_name(tensors: Sequence[SafetensorsTensor]) -> str:
    """The type that most elements are stored in: `F16`, `BF16`, `F32`."""
    counted: Counter[str] = Counter()
    for tensor in tensors:
        counted[tensor.dtype] += tensor.elements
    return counted.most_common(1)[0][0]


CONFIGURATION_FILES = (
    "config.json",
    "hf_quant_config.json",
    "quant_config.json",
    "quantize_config.json",
    "tokenizer_config.json",
)
"""Files beside the weights that change what is computed: rotary scaling, say, or a BOS."""


def _facts(
    weights: CheckpointWeights, unpacked: Sequence[Weight], parts: WeightParts
) -> ArtifactFacts:
    matrices = [weight for weight in unpacked if weight.in_layer]
    return ArtifactFacts(
        bytes=weights.file_bytes,
        sha256=files_sha256(sorted(weights.paths, key=lambda path: path.name)),
        bpw_file=bits_per_weight(unpacked),
        bpw_layer=bits_per_weight(matrices or unpacked),
        elements=sum(weight.elements for weight in unpacked),
        parts=parts,
    )


def model_revision(weights: str, git_ids: Mapping[str, str]) -> str:
    """The revision of weights under their configuration: a hash over the weights' own hash and
    over git's ids, by name, of those `CONFIGURATION_FILES` that are there."""
    lines = [
        weights,
        *(f"{name} {git_ids[name]}" for name in CONFIGURATION_FILES if name in git_ids),
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _has_chat_template(folder: Path) -> bool:
    """True also for one that is damaged: rendering by it says so."""
    try:
        return read_chat_template(folder) is not None
    except InputError:
        return True


def _configuration_ids(folder: Path) -> dict[str, str]:
    paths = (folder / name for name in CONFIGURATION_FILES)
    return {path.name: git_id(path.read_bytes()) for path in paths if path.is_file()}
