"""Options of the engine: names, kinds, defaults, and what goes with what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from grid.cells.cell import Options
from grid.errors import InputError, did_you_mean
from grid.hardware.node import Node

DTYPES: dict[str, int] = {"auto": 2, "bfloat16": 2, "float16": 2, "float32": 4}
"""Types of activations and of plain weights -> bytes an element; `auto` is the checkpoint's own
16-bit type."""
KV_TYPES: dict[str, int] = {
    "auto": 0,
    "float16": 2,
    "bfloat16": 2,
    "fp8": 1,
    "fp8_e4m3": 1,
    "fp8_e5m2": 1,
}
"""Types of the key and value cache -> bytes an element; `auto` is the activations' type."""

DEVICES: dict[str, int] = {"cpu": 0, "accelerator": 1}
_NOISE_BATCHES = (48, 40)
"""Shorter than any context that is measured, so that each is cut in other places."""
_MAX_BATCH = 65_536


def _whole(low: int, high: int) -> Callable[[str, Any], int]:
    def check(name: str, value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise InputError(
                f"option {name} = {value!r}: write a whole number from {low} to {high}"
            )
        return value

    return check


def _flag(name: str, value: Any) -> bool:
    if type(value) is not bool:
        raise InputError(f"option {name} = {value!r}: write true or false")
    return value


def _one_of(known: Mapping[str, int]) -> Callable[[str, Any], str]:
    def check(name: str, value: Any) -> str:
        if not isinstance(value, str) or value not in known:
            hint = did_you_mean(str(value), known)
            raise InputError(f"option {name} = {value!r} is unknown. {hint}")
        return value

    return check


CHECKS: dict[str, Callable[[str, Any], str | int | bool]] = {
    "device": _one_of(DEVICES),
    "dtype": _one_of(DTYPES),
    "kv_dtype": _one_of(KV_TYPES),
    "kv_bytes": _whole(0, 2**50),
    "max_len": _whole(16, 2**24),
    "batch": _whole(1, _MAX_BATCH),
    "sequences": _whole(1, 4096),
    "eager": _flag,
    "threads": _whole(0, 4096),
}
"""Every option.

`device`: where weights and cache lie, for planning; the node's accelerator where it has one.
`dtype`: the checkpoint's own 16-bit type by default (on a CPU quantized weights have that of their
kernels), so that quality, speed and memory are of the one configuration that a user of vLLM gets.
On a CPU its floor against another engine's 16 bits was 1e-6 nats a token in float16 and 6e-5 in
bfloat16 (the head's 16-bit logits are most of it), 5e-8 in float32, which takes twice the memory
and which quantized weights do not run in.

`kv_bytes`: bytes of the key and value cache; 0 for what `max_len` tokens take. `max_len`: most
tokens of a sequence, at most the model's own context. `batch`: tokens computed at once; a longer
prompt is cut into pieces of it. `sequences`: requests computed at once. `eager`: run the model as
written instead of compiling it at each load; the default on a CPU.
`threads`: 0 for as many as the node has cores; a CPU's only.
"""


def complete(given: Mapping[str, Any], node: Node) -> Options:
    """Options with every default filled in for the node. Raises InputError, one line."""
    for name in given:
        if name not in CHECKS:
            raise InputError(f"option {name!r} is unknown to vllm. {did_you_mean(name, CHECKS)}")
    checked = {name: CHECKS[name](name, value) for name, value in given.items()}
    device = checked.get("device") or ("accelerator" if node.accelerators else "cpu")
    options: Options = {
        "device": device,
        "dtype": "auto",
        "kv_dtype": "auto",
        "kv_bytes": 0,
        "max_len": 4096,
        "batch": 2048,
        "sequences": 16,
        "eager": device == "cpu",
        "threads": 0,
        **checked,
    }
    options["threads"] = options["threads"] or node.cores
    if int(options["sequences"]) > int(options["batch"]):
        raise InputError(
            f"option sequences = {options['sequences']} is larger than "
            f"batch = {options['batch']}; make it at most batch"
        )
    return options


def other_way(options: Options) -> Options:
    """The same computation in other pieces: prompts cut at another length, other threads."""
    batch, threads = int(options["batch"]), int(options["threads"])
    sequences = int(options["sequences"])
    other = next(one for one in _NOISE_BATCHES if one != batch)
    if other < sequences:
        other = sequences if sequences != batch else 2 * batch
    return {**options, "batch": other, "threads": threads - 1 if threads > 1 else 2}
