"""Memory: what a cell will take, estimated high before anything is loaded; and what a model took.

The estimate adds the weights at the type they are computed in, the cache, activations of one
evaluation, logits that are kept, and what Python with torch and transformers takes by itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from grid.backend import Artifact, Model, Needs, Options, Workload, embedding_width, logits_bytes
from grid.cells.workload import Tasks
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
    logits = logits_bytes(model, workload, int(options["batch"]))
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
    unpacked = 2 * model.vocabulary * embedding_width(model)
    return weight_bytes + unpacked * max(element - 2, 0.0)


_UNPACKED = frozenset({"compressed-tensors"})
"""Kinds whose weights transformers unpacks while loading; so it does 8-bit floats on a CPU."""


def _activations(model: Model, tokens: int, options: Options, element: float) -> float:
    """One evaluation: some rows of the widest layer, the mask, and the scores of attention where
    they are written out."""
    width, tokens = embedding_width(model), max(tokens, 1)
    recurrent = any(layer.fixed for layer in model.layers)
    # Texts of models with a recurrent state may have to be evaluated whole.
    batch = tokens if recurrent else min(int(options["batch"]), tokens)
    per_token = 24 * width * element + tokens
    if options["attention"] == "eager":
        per_token += 4 * tokens * max(width / 64, 1)
    return batch * per_token


def tensor_bytes(model: Any) -> int:
    """Bytes of all weights and buffers; tensors that share memory count once."""
    stores: dict[tuple[str, int], int] = {}
    for tensor in _tensors(model):
        for part in _parts(tensor):
            store = part.untyped_storage()
            stores[str(part.device), store.data_ptr()] = store.nbytes()
    return sum(stores.values())


def _tensors(model: Any) -> Iterator[Any]:
    yield from model.parameters()
    yield from model.buffers()
    for parameter in model.parameters():
        # bitsandbytes keeps the scales of a packed weight beside it.
        state = getattr(parameter, "quant_state", None)
        for inner in (state, getattr(state, "state2", None)):
            if inner is not None:
                yield from (value for value in vars(inner).values() if _is_tensor(value))


def _parts(tensor: Any) -> Iterator[Any]:
    """The plain tensors that a tensor of tensors (torchao's) is made of."""
    flatten = getattr(tensor, "__tensor_flatten__", None)
    if flatten is None or type(tensor).__name__ in ("Tensor", "Parameter"):
        yield tensor
        return
    for name in flatten()[0]:
        yield from _parts(getattr(tensor, name))


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "untyped_storage")
