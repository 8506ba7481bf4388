"""Artifact: weights as files at some precision."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import msgspec

from grid.models.identity import digest
from grid.models.model import Model
from grid.models.weight_parts import WeightParts

FULL_BITS = 16.0
"""Bits a weight from which weights count as whole, not quantized."""

DEQUANTIZED = ", weights dequantized from "
"""In the name of a quantizer, before the quant of the weights that its 16 bits were made of."""


class ArtifactFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Facts of the weight files once they exist.

    `bytes`: size of the weight files; `sha256` of the file; `bpw_file`: tensor bytes * 8 /
    elements; `bpw_layer`: the same over weight matrices outside embeddings and head, scales
    included; `parts`: bytes by what reads them, None where nothing says it.
    """

    bytes: int
    sha256: str
    bpw_file: float
    bpw_layer: float
    elements: int
    parts: WeightParts | None = None


class PredictedSize(NamedTuple):
    """The size of weights that need not exist yet.

    `file_bytes` counts header, tensors and padding as one file, `tensor_bytes` the tensors alone;
    the other figures are as in `ArtifactFacts`.
    """

    file_bytes: int
    tensor_bytes: int
    elements: int
    bpw_file: float
    bpw_layer: float


class Artifact(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Weights of one model at one precision: a file the user has, or one that a recipe makes.

    `id` hashes the source's revision (its content: moving a file changes nothing), the recipe, and
    the quantizer with its version: what decides the bytes, known before they exist. `path` is set
    for weights that are already there, a file or a folder; `made_from` is the artifact that the
    quantizer reads.
    """

    model: Model
    format: str
    quant: str
    backend: str = ""
    """Backend whose quantizer makes it; empty for a file that the user has."""
    quantizer: str = ""
    """Name and version of the quantizer, for instance `llama.cpp b7000`; empty likewise."""
    calibration: str = ""
    """Digest of the calibration set, or of the importance matrix, that weighed the quantizer's
    errors; empty without one."""
    recipe: str = ""
    """What the quantizer is asked for, where that says more than the quant's name."""
    matrix: str = ""
    """Path of the file with the importance matrix, as given; its content is in `calibration`."""
    matrix_sha256: str = ""
    made_from: Artifact | None = None
    path: str | None = None
    facts: ArtifactFacts | None = None

    @cached_property
    def id(self) -> str:
        return digest(
            "artifact",
            self.model.revision,
            self.format,
            self.recipe_name,
            self.quantizer,
            *([self.calibration] if self.calibration else []),
        )

    @property
    def recipe_name(self) -> str:
        """The recipe that makes it, as its backend reads it."""
        return self.recipe or self.quant

    @property
    def is_quantized(self) -> bool:
        """Whether its weights are at fewer than 16 bits; False for what is still to be made."""
        return self.facts is not None and self.facts.bpw_layer < FULL_BITS

    @property
    def dequantized_from(self) -> str:
        """The quant of the weights that its 16 bits were made of; empty where they are original."""
        return dequantized_from(self.quantizer)

    @property
    def label(self) -> str:
        """What people call it: `base Q4_K_M`."""
        return f"{self.model.name} {self.quant}"


class Inspection(NamedTuple):
    """What a weight file's header says of the model, its quantization and its size."""

    model: Model
    quant: str
    facts: ArtifactFacts


def dequantized_from(quantizer: str) -> str:
    """As `Artifact.dequantized_from`, from the quantizer that a row names."""
    return quantizer.partition(DEQUANTIZED)[2]


def dequantized_note(model: str, quant: str) -> str:
    """What to know of figures of a model whose 16 bits were made of a quant."""
    return (
        f"{model}: its 16-bit weights are dequantized from {quant}, and the others are compared "
        f"with those: {quant} and above look better than beside the weights as they were trained"
    )
