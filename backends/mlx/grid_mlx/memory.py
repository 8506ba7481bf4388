"""Memory: what a cell will take, estimated before anything is loaded; and refusals in time.

MLX computes where the weights lie: host and GPU of Apple's chips share one memory, so everything
counts as the host's. The estimate is meant to be high: a cell that is planned must fit.
"""

from __future__ import annotations

import math
import re

import numpy as np

from grid.backend import (
    Artifact,
    Model,
    Needs,
    Options,
    OutOfMemory,
    Workload,
    embedding_width,
    logits_bytes,
)
from grid.cells.workload import Tasks
from grid.units import MIB, format_bytes
from grid_mlx.recipes import FORMAT, GROUPS

PROCESS_BYTES = 130 * MIB
"""Python, numpy, MLX and the part of transformers that mlx-lm imports, resident."""
CELL_STEP = 256
"""MLX's caches grow by this many tokens."""
KV_GROUP = 64
"""Elements of a quantized key or value that share a scale and a bias."""
_HEAD = 64
_ITEM_TOKENS = 2048
_GROUP_IN_NAME = re.compile(r"g(\d+)")


def padded_tokens(tokens: int) -> int:
    """Tokens of cache that MLX makes for a context of `tokens`."""
    return max(1, -(-tokens // CELL_STEP)) * CELL_STEP


def needs(artifact: Artifact, weight_bytes: int, options: Options, workload: Workload) -> Needs:
    """Bytes for a cell, all of them the host's, wherever it is to be computed; pure."""
    tokens = _ITEM_TOKENS if isinstance(workload, Tasks) else workload.size
    cells = padded_tokens(tokens)
    plain = artifact.format != FORMAT
    wide = options["dtype"] == "float32" or (plain and weight_bytes > 3 * artifact.model.parameters)
    cache = kv_bytes(artifact.model, cells, wide, int(options["kv_bits"]))
    total = (
        PROCESS_BYTES
        + (_in_32_bits(artifact, weight_bytes) if wide else weight_bytes)
        + cache
        + _compute_bytes(artifact.model, cells, options)
        + logits_bytes(artifact.model, workload, int(options["batch"]))
    )
    accelerator = None if options["device"] == "cpu" else "metal"
    return Needs(host_bytes=math.ceil(total), kv_bytes=cache, accelerator=accelerator)


def kv_bytes(model: Model, cells: int, wide: bool, bits: int) -> int:
    """Bytes of the cache for `cells` tokens: in 32 bits where `wide`, else in 16; or quantized to
    `bits`, with a scale and a bias a group in that type."""
    plain = 4.0 if wide else 2.0
    size = bits / 8 + 2 * plain / KV_GROUP if bits else plain
    return model.kv_bytes(cells, size, size)


def _in_32_bits(artifact: Artifact, weight_bytes: int) -> float:
    """Resident weights. Of quantized ones only scales and biases, two a group, become wider."""
    if artifact.format != FORMAT:
        return 4.0 * artifact.model.parameters
    named = _GROUP_IN_NAME.search(artifact.quant)
    group = int(named[1]) if named and int(named[1]) in GROUPS else GROUPS[0]
    return weight_bytes + 4.0 * artifact.model.parameters / group


def _compute_bytes(model: Model, cells: int, options: Options) -> float:
    """Activations of one batch: some rows of the feed-forward width, the mask, and the attention
    scores before and after the softmax where no fused kernel keeps them out of memory (32 bits on
    a CPU, quantized caches)."""
    batch, width = min(int(options["batch"]), cells), embedding_width(model)
    per_token = 24 * width + cells
    if options["dtype"] == "float32" or options["kv_bits"]:
        per_token += 2 * cells * max(width / _HEAD, 1)
    return 4.0 * batch * per_token


def reserve(size: float, what: str) -> None:
    """Ask the system for `size` bytes and give them back untouched.

    Where a process's memory is limited MLX's CPU allocator does not check what it was given, and
    the process dies. Raises OutOfMemory where they are refused.
    """
    try:
        np.empty(max(0, math.ceil(size)), np.uint8)
    except MemoryError as error:
        raise OutOfMemory(f"{what}: {format_bytes(math.ceil(size))} were refused") from error
