"""What a folder in Hugging Face's layout holds: the model's shape, its precision, its size."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from grid.models.artifact import ArtifactFacts, Inspection
from grid.models.checkpoint.check import check_shapes
from grid.models.checkpoint.config import Config
from grid.models.checkpoint.files import Weights, is_checkpoint, read_config, read_weights
from grid.models.checkpoint.layers import layer_states
from grid.models.checkpoint.packed import check_packed
from grid.models.checkpoint.quantization import read_quantization
from grid.models.checkpoint.safetensors import Tensor
from grid.models.checkpoint.weights import Weight, bits_per_weight, weights_of
from grid.models.checksum import file_sha256
from grid.models.model import Model

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
    check_packed(path, weights.tensors, quantization)
    unpacked = weights_of(weights.tensors, quantization)
    check_shapes(config, unpacked, quantization)
    facts = _facts(weights, unpacked)
    model = Model(
        name=path.name or path.resolve().name,
        family=config.architecture,
        source=str(path),
        revision=model_revision(facts.sha256, _deciding(path)),
        architecture=config.architecture,
        parameters=facts.elements,
        context_length=config.context_length,
        vocabulary=config.vocabulary,
        layers=layer_states(config),
    )
    quant = quantization.quant if quantization else plain_name(weights.tensors)
    return Inspection(model, quant, facts)


def format_of(path: Path) -> str:
    """`safetensors` for plain weights, else the quantization's format (`gptq`, `bnb`, ...).

    Reads the configuration only. Raises InputError where the folder or its method is unknown.
    """
    quantization = read_quantization(path, read_config(path))
    return quantization.format if quantization else PLAIN_FORMAT


def plain_name(tensors: Sequence[Tensor]) -> str:
    """The type that most elements are stored in: `F16`, `BF16`, `F32`."""
    counted: Counter[str] = Counter()
    for tensor in tensors:
        counted[tensor.dtype] += tensor.elements
    return counted.most_common(1)[0][0]


def _facts(weights: Weights, unpacked: Sequence[Weight]) -> ArtifactFacts:
    matrices = [weight for weight in unpacked if weight.in_layer]
    return ArtifactFacts(
        bytes=weights.file_bytes,
        sha256=revision(weights.paths),
        bpw_file=bits_per_weight(unpacked),
        bpw_layer=bits_per_weight(matrices or unpacked),
        elements=sum(weight.elements for weight in unpacked),
    )


DECIDING = (
    "config.json",
    "quant_config.json",
    "quantize_config.json",
    "tokenizer_config.json",
)
"""Files beside the weights that change what is computed: rotary scaling, say, or a BOS."""


def model_revision(weights: str, deciding: Mapping[str, str]) -> str:
    """What weights and configuration are together: a hash of the weights' own and of git's ids, by
    name, of those of the files `DECIDING` that are there."""
    said = [weights, *(f"{name} {deciding[name]}" for name in DECIDING if name in deciding)]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()


def git_blob(content: bytes) -> str:
    """The id that git, and so a hub, gives a file of this content."""
    head = f"blob {len(content)}\0".encode()
    return hashlib.sha1(head + content, usedforsecurity=False).hexdigest()


def _deciding(folder: Path) -> dict[str, str]:
    found = (folder / name for name in DECIDING)
    return {path.name: git_blob(path.read_bytes()) for path in found if path.is_file()}


def revision(paths: Sequence[Path]) -> str:
    """Hash of the weights' content: of one file its SHA-256, of several that of their digests'
    text in the order of their names."""
    digests = [file_sha256(path) for path in sorted(paths, key=lambda path: path.name)]
    return (
        digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    )
