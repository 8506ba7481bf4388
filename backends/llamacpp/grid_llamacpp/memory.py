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
from pathlib import Path

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
from grid.models.placement import Placement, place
from grid.models.weight_parts import WeightParts
from grid.units import MIB
from grid_llamacpp.devices import CARD_OPTIONS
from grid_llamacpp.options import KV_TYPES

PROCESS_BYTES = 80 * MIB
"""Python, numpy and the library's code and tables, resident."""
CELL_STEP = 256
"""llama.cpp rounds the cache up to this many tokens."""
SCORED_TOKENS = 2048
"""Cache of the packed context that task items are scored in, tokens at least."""

_BUFFER = re.compile(r"(KV|RS|model|compute|output) buffer size\s*=\s*([0-9.]+) MiB")
_WEIGHTS = re.compile(r"(\S+) model buffer size\s*=\s*([0-9.]+) MiB")
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


def weight_buffers(lines: Iterable[str]) -> dict[str, int]:
    """Bytes of weights by buffer, such as `CPU_Mapped` or `CUDA0`; rounded as in `buffers`."""
    sizes: dict[str, int] = {}
    for line in lines:
        match = _WEIGHTS.search(line)
        if match:
            sizes[match[1]] = sizes.get(match[1], 0) + round(float(match[2]) * MIB)
    return sizes


def needs(artifact: Artifact, weight_bytes: int, options: Options, workload: Workload) -> Needs:
    """Bytes on host and device for a cell; pure.

    Layers given to an accelerator take weights and cache with them, to the byte where the file's
    parts are known, else their share. What `tensor_overrides` move is not counted. Bytes of several
    cards are one sum.
    """
    tokens = workload.size
    if isinstance(workload, Tasks):
        tokens = max(SCORED_TOKENS, int(options["batch"]))
    cells = padded_tokens(tokens)
    cache = kv_bytes(artifact.model, cells, options)
    compute = _compute_bytes(artifact.model, cells, options)
    logits = logits_bytes(artifact.model, workload, int(options["ubatch"]))
    placement = Placement(
        gpu_layers=int(options["gpu_layers"]),
        cpu_expert_layers=int(options.get("cpu_expert_layers", 0)),
    )
    uses_cards = any(name in options for name in CARD_OPTIONS)
    parts = _parts(artifact, weight_bytes)
    if placement.on_cpu_alone:
        host, device = float(weight_bytes + cache), 0.0
    elif parts is None:
        share = _device_share(artifact.model, placement.gpu_layers)
        host, device = (weight_bytes + cache) * (1 - share), (weight_bytes + cache) * share
    else:
        placed = place(parts, _cache_by_layer(artifact.model, cells, options), placement)
        host, device = placed.host, placed.device
    draft = _draft_bytes(options)
    some_on_host = 0 if placement.on_card_alone else compute
    return Needs(
        host_bytes=math.ceil(PROCESS_BYTES + logits + host + some_on_host + draft),
        device_bytes=0 if placement.on_cpu_alone else math.ceil(device + compute),
        kv_bytes=round(cache),
        accelerator="gpu" if not placement.on_cpu_alone or uses_cards else None,
    )


def _draft_bytes(options: Options) -> int:
    """Of a draft model the file, and as much again at most for its cache and buffers."""
    path = options.get("draft")
    try:
        size = Path(str(path)).stat().st_size if path else 0
    except OSError:  # the node that has it will say more
        size = 0
    return 2 * size


def _parts(artifact: Artifact, weight_bytes: int) -> WeightParts | None:
    """Bytes of the file by part; of one that is still to be made as in what it is made from."""
    facts = artifact.facts
    if facts is None and artifact.made_from is not None:
        facts = artifact.made_from.facts
    if facts is None or facts.parts is None or not facts.bytes:
        return None
    return facts.parts.scaled(weight_bytes / facts.bytes)


def _cache_by_layer(model: Model, cells: int, options: Options) -> list[int]:
    one_layer = (msgspec.structs.replace(model, layers=(layer,)) for layer in model.layers)
    return [kv_bytes(single, cells, options) for single in one_layer]


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
