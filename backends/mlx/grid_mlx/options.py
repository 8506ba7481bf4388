"""Options of the engine: names, kinds, defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grid.backend import (
    Check,
    InputError,
    Node,
    Options,
    complete_options,
    noise_batch,
    one_of,
    whole_number,
)

_AUTO = "auto"
_MAX_BATCH = 65_536
_KV_BITS = (0, 4, 8)


def _kv_bits(name: str, value: Any) -> int:
    if type(value) is not int or value not in _KV_BITS:
        raise InputError(f"option {name} = {value!r}: write 0 (not quantized), 4 or 8")
    return value


CHECKS: Mapping[str, Check] = {
    "device": one_of("cpu", "accelerator"),
    "dtype": one_of("checkpoint", "float32", _AUTO),
    "batch": whole_number(1, _MAX_BATCH),
    "kv_bits": _kv_bits,
}


def complete(requested: Mapping[str, Any], node: Node) -> Options:
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
    defaults: Options = {
        "device": "accelerator" if on_metal(node) else "cpu",
        "dtype": _AUTO,
        "batch": 512,
        "kv_bits": 0,
    }
    options = complete_options("mlx", requested, CHECKS, defaults)
    if options["dtype"] == _AUTO:
        options["dtype"] = "float32" if options["device"] == "cpu" else "checkpoint"
    return options


def on_metal(node: Node) -> bool:
    """Whether the node has Apple's GPU."""
    return any(accelerator.kind.startswith("metal") for accelerator in node.accelerators)


def noise_options(options: Options) -> Options:
    """The same computation in other pieces."""
    return {**options, "batch": noise_batch(int(options["batch"]))}
