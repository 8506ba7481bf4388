"""Memory: what a cell will take (an estimate before anything is loaded), and what the engine says.

The estimate adds the weights, the key and value cache, the compute buffers and a fixed overhead
of the process. It is meant to be high: a cell that is planned must fit. It counts what the cell
cannot do without: pages of a mapped file that the kernels have copied into their own layout stay
resident while memory is free, so a measured peak can exceed it by up to the weights' size.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

import msgspec

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
from grid.cells.workload import Tasks
from grid.models.gguf.ggml_types import GGML_TYPES
from grid.units import MIB
from grid_llamacpp.options import KV_TYPES

PROCESS_BYTES = 80 * MIB
"""Python, numpy and the library's code and tables, resident."""
CELL_STEP = 256
"""llama.cpp rounds the cache up to this many tokens."""
SCORED_TOKENS = 2048
"""Cache of the packed context that task items are scored in, tokens at least."""

_BUFFER = re.compile(r"(KV|RS|model|compute|output) buffer size\s*=\s*([0-9.]+) MiB")
_BUFFER_NAMES = {
    "KV": "kv_buffer_bytes",
    "RS": "kv_buffer_bytes",
    "model": "model_buffer_bytes",
    "compute": "compute_buffer_bytes",
    "output": "output_buffer_bytes",
}


def padded_tokens(tokens: int) -> int:
    """Tokens of cache that llama.cpp makes for a context of `tokens`."""
    return max(CELL_STEP, -(-tokens // CELL_STEP) * CELL_STEP)


def buffers(lines: Iterable[str]) -> dict[str, int]:
    """Bytes per kind of buffer, summed over devices; the log rounds each to 0.01 MiB."""
    sizes: dict[str, int] = {}
    for line in lines:
        match = _BUFFER.search(line)
        if match:
            name = _BUFFER_NAMES[match[1]]
            sizes[name] = sizes.get(name, 0) + round(float(match[2]) * MIB)
    return sizes


def needs(artifact: Artifact, weight_bytes: int, options: Options, workload: Workload) -> Needs:
    """Bytes on host and device for a cell; pure.

    Layers given to an accelerator take their share of weights and cache with them.
    """
    tokens = workload.size
    if isinstance(workload, Tasks):
        tokens = max(SCORED_TOKENS, int(options["batch"]))
    cells = padded_tokens(tokens)
    cache = kv_bytes(artifact.model, cells, options)
    compute = _compute_bytes(artifact.model, cells, options)
    logits = logits_bytes(artifact.model, workload, int(options["ubatch"]))
    share = _device_share(artifact.model, int(options["gpu_layers"]))
    host = PROCESS_BYTES + logits + (weight_bytes + cache + compute) * (1 - share)
    device = (weight_bytes + cache) * share + (compute if share else 0)
    return Needs(
        host_bytes=math.ceil(host),
        device_bytes=math.ceil(device),
        kv_bytes=round(cache),
        accelerator="gpu" if share else None,
    )


def kv_bytes(model: Model, cells: int, options: Options) -> int:
    """Bytes of the cache at the options' types; windows are padded as llama.cpp pads them."""
    ubatch = int(options["ubatch"])
    layers = tuple(_padded_window(layer, ubatch) for layer in model.layers)
    shape = msgspec.structs.replace(model, layers=layers)
    return shape.kv_bytes(
        cells, _element_bytes(options["kv_type_k"]), _element_bytes(options["kv_type_v"])
    )


def _padded_window(layer: LayerState, ubatch: int) -> LayerState:
    if layer.window is None:
        return layer
    return msgspec.structs.replace(layer, window=padded_tokens(layer.window + ubatch))


def _element_bytes(name: object) -> float:
    return GGML_TYPES[KV_TYPES[str(name)]].bits / 8


def _compute_bytes(model: Model, cells: int, options: Options) -> float:
    """Activations of one physical batch in 32 bits: logits, a few rows of the feed-forward width,
    the attention mask, and the attention scores where flash attention is off."""
    width, ubatch = embedding_width(model), min(int(options["ubatch"]), cells)
    per_token = model.vocabulary + 16 * width + cells
    if options["flash_attention"] == "off":
        per_token += cells * max(width / 64, 1)
    return 4.0 * ubatch * per_token


def _device_share(model: Model, gpu_layers: int) -> float:
    """Share of the layers that an accelerator holds."""
    if gpu_layers < 0:
        return 1.0
    return min(1.0, gpu_layers / (len(model.layers) + 1))
