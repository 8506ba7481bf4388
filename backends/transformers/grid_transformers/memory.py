"""Memory that a cell will take: an estimate before anything is loaded, meant to be high.

Weights at the type they are computed in, the cache, activations of one evaluation, logits that are
kept, and what Python with torch and transformers takes by itself.
"""

from __future__ import annotations

import math

from grid.backend import Needs
from grid.cells.cell import Options
from grid.cells.workload import Quality, Tasks, Workload
from grid.models.artifact import Artifact
from grid.models.model import Model
from grid.units import MIB

PROCESS_BYTES = 420 * MIB
"""Python with torch and transformers imported and a model of their kind built, resident."""
_PACKAGE_BYTES = {"gptq": 220 * MIB, "awq": 220 * MIB}
"""What the package behind a quantized kind adds, where that is not bitsandbytes or torchao."""
_USUAL_PACKAGE_BYTES = 40 * MIB
DEVICE_BYTES = 600 * MIB
"""What the CUDA runtime, its libraries and torch's own pool take of a device before any weight."""
SCORED_TOKENS = 4096
"""Most tokens that the rows of one evaluation of task items hold in the cache, together."""

_BYTES = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0}


def needs(artifact: Artifact, weight_bytes: int, options: Options, workload: Workload) -> Needs:
    """Bytes on host and device for a cell; pure."""
    model, element = artifact.model, element_bytes(artifact, options)
    tokens = SCORED_TOKENS if isinstance(workload, Tasks) else workload.size
    cache = model.kv_bytes(tokens, element, element)
    weights = _weights(artifact, weight_bytes, options, element)
    # Growing a layer's keys and values makes their copy before the old ones are let go.
    computing = cache + cache / max(len(model.layers), 1)
    if isinstance(workload, Tasks):
        computing += cache  # what choices share is copied for each part of them
    computing += _activations(model, tokens, options, element)
    logits = _logits(model, workload, options)
    process = PROCESS_BYTES
    if artifact.format != "safetensors":
        process += _PACKAGE_BYTES.get(artifact.format, _USUAL_PACKAGE_BYTES)
    if options["device"] == "cpu":
        return Needs(host_bytes=math.ceil(process + weights + computing + logits), kv_bytes=cache)
    # Weights pass through the host one tensor at a time; the mapped file is no memory of its own.
    return Needs(
        host_bytes=math.ceil(2 * process + logits),
        device_bytes=math.ceil(DEVICE_BYTES + weights + computing + logits),
        kv_bytes=cache,
        accelerator="gpu",
    )


def element_bytes(artifact: Artifact, options: Options) -> float:
    """Bytes of one number of the cache and of activations."""
    if options["dtype"] == "auto":
        wide = options["device"] == "cpu" or artifact.quant == "F32"
        return 4.0 if wide else 2.0
    return _BYTES[str(options["dtype"])]


def _weights(artifact: Artifact, weight_bytes: int, options: Options, element: float) -> float:
    """Unpacked weights at the type of computing; packed ones as they are, with embeddings and head,
    which stay unpacked, at that type."""
    model = artifact.model
    if artifact.format == "safetensors":
        return max(model.parameters * element, float(weight_bytes) * element / 4)
    if artifact.format in _UNPACKED or (artifact.format == "fp8" and options["device"] == "cpu"):
        return weight_bytes + model.parameters * element
    unpacked = 2 * model.vocabulary * _width(model)
    return weight_bytes + unpacked * max(element - 2, 0.0)


_UNPACKED = frozenset({"compressed-tensors"})
"""Kinds whose weights transformers unpacks while loading; so it does 8-bit floats on a CPU."""


def _width(model: Model) -> float:
    """Embedding width guessed from the parameters: 12 w^2 a layer, 2 w a vocabulary entry."""
    layers, vocabulary = max(len(model.layers), 1), model.vocabulary
    root = math.sqrt(4 * vocabulary**2 + 48 * layers * model.parameters)
    return (root - 2 * vocabulary) / (24 * layers)


def _activations(model: Model, tokens: int, options: Options, element: float) -> float:
    """One evaluation: some rows of the widest layer, the mask, and the scores of attention where
    they are written out."""
    width, tokens = _width(model), max(tokens, 1)
    recurrent = any(layer.fixed for layer in model.layers)
    # Texts of models with a recurrent state may have to be evaluated whole.
    batch = tokens if recurrent else min(int(options["batch"]), tokens)
    per_token = 24 * width * element + tokens
    if options["attention"] == "eager":
        per_token += 4 * tokens * max(width / 64, 1)
    return batch * per_token


def _logits(model: Model, workload: Workload, options: Options) -> float:
    """Logits kept: the model's own, their copy in 32 bits, and 64-bit work on part of it."""
    rows = 1
    if isinstance(workload, Quality):
        rows = workload.context
    elif isinstance(workload, Tasks):
        rows = int(options["batch"])
    return 16.0 * rows * model.vocabulary
