"""Options of the engine: names, kinds, defaults, and what goes with what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grid.backend import (
    Check,
    InputError,
    Node,
    Options,
    complete_options,
    flag,
    noise_threads,
    one_of,
    whole_number,
)
from grid_llamacpp.overrides import parse_overrides

KV_TYPES: dict[str, int] = {
    "f32": 0,
    "f16": 1,
    "q4_0": 2,
    "q4_1": 3,
    "q5_0": 6,
    "q5_1": 7,
    "q8_0": 8,
    "iq4_nl": 20,
    "bf16": 30,
}
"""Types that a key or value cache can be kept in -> ggml's number."""

QUANTIZED_KV = frozenset(KV_TYPES) - {"f32", "f16", "bf16"}
_FLASH = one_of("auto", "on", "off")
_MAX_BATCH = 65_536


def _flash(name: str, value: Any) -> Any:
    if type(value) is bool:
        return "on" if value else "off"
    return _FLASH(name, value)


CHECKS: Mapping[str, Check] = {
    "threads": whole_number(0, 4096),
    "threads_batch": whole_number(0, 4096),
    "batch": whole_number(1, _MAX_BATCH),
    "ubatch": whole_number(1, _MAX_BATCH),
    "gpu_layers": whole_number(-1, 10_000),
    "flash_attention": _flash,
    "kv_type_k": one_of(*KV_TYPES),
    "kv_type_v": one_of(*KV_TYPES),
    "mmap": flag,
    "cpu_expert_layers": whole_number(0, 10_000),
    "tensor_overrides": parse_overrides,
}
"""Every option; 0 threads means as many as the node has cores, -1 GPU layers means all."""

_ABSENT_WHERE_UNUSED = ("cpu_expert_layers", "tensor_overrides")
"""Options without a default, so that runs without them are called as before there were any."""


def complete(requested: Mapping[str, Any], node: Node) -> Options:
    """Options with every default filled in for the node. Raises InputError, one line."""
    defaults: Options = {
        "threads": 0,
        "threads_batch": 0,
        "batch": 2048,
        "ubatch": 512,
        "gpu_layers": -1 if node.accelerators else 0,
        "flash_attention": "auto",
        "kv_type_k": "f16",
        "kv_type_v": "f16",
        "mmap": True,
    }
    options = complete_options("llamacpp", requested, CHECKS, defaults)
    options["threads"] = options["threads"] or node.cores
    options["threads_batch"] = options["threads_batch"] or options["threads"]
    for name in _ABSENT_WHERE_UNUSED:
        if not options.get(name, True):
            del options[name]
    _check_together(options)
    return options


def _check_together(options: Options) -> None:
    if int(options["ubatch"]) > int(options["batch"]):
        raise InputError(
            f"option ubatch = {options['ubatch']} is larger than batch = {options['batch']}; "
            "make it at most batch"
        )
    if options["kv_type_v"] in QUANTIZED_KV and options["flash_attention"] == "off":
        raise InputError(
            f"option kv_type_v = {options['kv_type_v']!r} needs flash attention; "
            'set flash_attention = "on" or kv_type_v = "f16"'
        )


def noise_options(options: Options) -> Options:
    """The same computation in other pieces: another physical batch, another number of threads."""
    ubatch = int(options["ubatch"])
    noise_ubatch = max(1, ubatch // 4) if ubatch > 1 else min(64, int(options["batch"]))
    threads = noise_threads(int(options["threads"]))
    return {
        **options,
        "ubatch": noise_ubatch,
        "threads": threads,
        "threads_batch": threads,
    }
