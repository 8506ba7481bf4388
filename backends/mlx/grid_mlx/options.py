"""Options of the engine: names, kinds, defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grid.cells.cell import Options
from grid.errors import InputError, did_you_mean
from grid.hardware.node import Node

NAMES = ("device", "dtype", "batch", "kv_bits")
DEVICES = ("cpu", "accelerator")
DTYPES = ("checkpoint", "float32")
KV_BITS = (0, 4, 8)
_AUTO = "auto"
_MAX_BATCH = 65_536
_NOISE_BATCHES = (48, 40)
"""Shorter than any context that is measured, so that each is cut in other places."""


def complete(given: Mapping[str, Any], node: Node) -> Options:
    """Options with every default filled in for the node. Raises InputError, one line.

    `device` is where it is meant to compute: Apple's GPU where the node has one.
    `dtype` is what scales, norms, activations and the KV cache are kept in: the checkpoint's own
    type, or float32. `auto` is the first on Apple's GPU. On a CPU it is float32: there MLX's
    portable kernels multiply quantized weights about forty times faster in 32 bits than in 16,
    16-bit weights as fast, and the result lies nearest to the reference's (KL divergence of a
    16-bit model to llama.cpp's F16: 6e-8 nats in float32, 1e-6 in float16, 7e-5 in bfloat16).
    `batch` is the tokens of a prompt evaluated at once; `kv_bits` 0 keeps keys and values as they
    are computed, 4 or 8 quantizes them in groups of 64.
    """
    for name in given:
        if name not in NAMES:
            raise InputError(f"option {name!r} is unknown to mlx. {did_you_mean(name, NAMES)}")
    device = _device(given.get("device", DEVICES[on_metal(node)]))
    return {
        "device": device,
        "dtype": _dtype(given.get("dtype", _AUTO), device),
        "batch": _batch(given.get("batch", 512)),
        "kv_bits": _kv_bits(given.get("kv_bits", 0)),
    }


def _device(value: Any) -> str:
    if not isinstance(value, str) or value not in DEVICES:
        hint = did_you_mean(str(value), DEVICES)
        raise InputError(f"option device = {value!r} is unknown. {hint}")
    return value


def _dtype(value: Any, device: str) -> str:
    if value == _AUTO:
        return "float32" if device == "cpu" else "checkpoint"
    if not isinstance(value, str) or value not in DTYPES:
        hint = did_you_mean(str(value), (*DTYPES, _AUTO))
        raise InputError(f"option dtype = {value!r} is unknown. {hint}")
    return value


def _batch(value: Any) -> int:
    if type(value) is not int or not 1 <= value <= _MAX_BATCH:
        raise InputError(f"option batch = {value!r}: write a whole number from 1 to {_MAX_BATCH}")
    return value


def _kv_bits(value: Any) -> int:
    if type(value) is not int or value not in KV_BITS:
        raise InputError(f"option kv_bits = {value!r}: write 0 (not quantized), 4 or 8")
    return value


def on_metal(node: Node) -> bool:
    """Whether the node has Apple's GPU."""
    return any(one.kind.startswith("metal") for one in node.accelerators)


def other_way(options: Options) -> Options:
    """The same computation in other pieces."""
    usual, other = _NOISE_BATCHES
    return {**options, "batch": other if options["batch"] == usual else usual}
