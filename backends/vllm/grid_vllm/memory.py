"""Memory that a cell takes, estimated before anything is loaded.

The estimate adds the process with vLLM imported, the weights, the stated cache, the activations of
one batch, and the logits of a prompt that is scored. It is meant to be high: a cell that is planned
must fit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from grid.backend import (
    Artifact,
    LayerState,
    Model,
    Needs,
    Options,
    Workload,
    embedding_width,
    logits_bytes,
)
from grid.units import MIB
from grid_vllm.options import DTYPES, KV_TYPES

PROCESS_BYTES = 700 * MIB
"""Python, torch and vLLM imported, and its own buffers; measured on the CPU build."""
DEVICE_BYTES = 1024 * MIB
"""A CUDA context, its libraries' workspaces and captured graphs."""
BLOCK = 128
"""Tokens in a block of the cache on a CPU, the largest that is used by default."""
_LOGIT_BYTES = 20
"""Bytes an element of a prompt's logits: 16-bit, 32-bit, log-probabilities, ours, and sorting."""
_HIGHEST_RATIO = 4
"""Widest layer (the feed-forward's) over the embedding width, rounded up."""


def context(model_length: int, options: Options) -> int:
    """Tokens of the longest sequence: the option, at most the model's own."""
    limit = int(options["max_len"])
    return min(limit, model_length) if model_length > 0 else limit


def cache_bytes(layers: Sequence[LayerState], tokens: int, options: Options) -> int:
    """The cache as stated, or what holds one sequence of `tokens`.

    A block more for what is cut off at a block's end, one that vLLM keeps empty, and one for the
    token after the last.
    """
    stated = int(options["kv_bytes"])
    if stated:
        return stated
    size = KV_TYPES[str(options["kv_dtype"])] or DTYPES[str(options["dtype"])]
    room = (math.ceil((tokens + 1) / BLOCK) + 2) * BLOCK
    # Sliding windows save nothing here: all layers share blocks of one size.
    elements = sum(layer.key + layer.value for layer in layers)
    fixed = sum(layer.fixed for layer in layers)
    return room * elements * size + 8 * fixed


_NO_CPU_KERNELS = frozenset({"modelopt"})
"""Formats that vLLM multiplies by on GPUs alone."""


def needs(artifact: Artifact, weight_bytes: int, options: Options, workload: Workload) -> Needs:
    """Bytes on host and device for a cell; pure.

    The cache does not depend on the workload: vLLM makes it when it loads.
    """
    model = artifact.model
    cache = cache_bytes(model.layers, context(model.context_length, options), options)
    weights = loaded_bytes(artifact, weight_bytes, options)
    batch, sequences = int(options["batch"]), int(options["sequences"])
    logits = logits_bytes(model, workload, batch, sequences, _LOGIT_BYTES)
    work = _activation_bytes(model, options) + math.ceil(logits)
    if options["device"] == "cpu":
        return Needs(
            host_bytes=PROCESS_BYTES + weights + cache + work,
            kv_bytes=cache,
            accelerator="gpu" if artifact.format in _NO_CPU_KERNELS else None,
        )
    return Needs(
        host_bytes=PROCESS_BYTES + DEVICE_BYTES,
        device_bytes=DEVICE_BYTES + weights + cache + work,
        kv_bytes=cache,
        accelerator="gpu",
    )


def loaded_bytes(artifact: Artifact, weight_bytes: int, options: Options) -> int:
    """Plain weights are kept in the type of the activations, packed ones as they are."""
    if artifact.format != "safetensors" or options["dtype"] == "auto":
        return weight_bytes
    bits = artifact.facts.bpw_file if artifact.facts else 16.0
    return math.ceil(weight_bytes * 8 * DTYPES[str(options["dtype"])] / bits)


def _activation_bytes(model: Model, options: Options) -> int:
    """A few rows of the widest layer for each token of a batch."""
    size = DTYPES[str(options["dtype"])]
    return math.ceil(int(options["batch"]) * embedding_width(model) * 4 * _HIGHEST_RATIO * size)
