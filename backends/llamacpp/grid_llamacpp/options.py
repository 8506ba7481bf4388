"""Options of the engine: names, kinds, defaults, and what goes with what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from grid.cells.cell import Options
from grid.errors import InputError, did_you_mean
from grid.hardware.node import Node

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

_QUANTIZED_KV = frozenset(KV_TYPES) - {"f32", "f16", "bf16"}
_FLASH = ("auto", "on", "off")
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


def _flash(name: str, value: Any) -> str:
    if type(value) is bool:
        return "on" if value else "off"
    return _one_of(name, value, _FLASH)


def _kv_type(name: str, value: Any) -> str:
    return _one_of(name, value, tuple(KV_TYPES))


def _one_of(name: str, value: Any, known: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in known:
        raise InputError(f"option {name} = {value!r} is unknown. {did_you_mean(str(value), known)}")
    return value


CHECKS: dict[str, Callable[[str, Any], str | int | bool]] = {
    "threads": _whole(0, 4096),
    "threads_batch": _whole(0, 4096),
    "batch": _whole(1, _MAX_BATCH),
    "ubatch": _whole(1, _MAX_BATCH),
    "gpu_layers": _whole(-1, 10_000),
    "flash_attention": _flash,
    "kv_type_k": _kv_type,
    "kv_type_v": _kv_type,
    "mmap": _flag,
}
"""Every option; 0 threads means as many as the node has cores, -1 GPU layers means all."""


def complete(given: Mapping[str, Any], node: Node) -> Options:
    """Options with every default filled in for the node. Raises InputError, one line."""
    for name in given:
        if name not in CHECKS:
            raise InputError(
                f"option {name!r} is unknown to llamacpp. {did_you_mean(name, CHECKS)}"
            )
    checked = {name: CHECKS[name](name, value) for name, value in given.items()}
    options: Options = {
        "threads": 0,
        "threads_batch": 0,
        "batch": 2048,
        "ubatch": 512,
        "gpu_layers": -1 if node.accelerators else 0,
        "flash_attention": "auto",
        "kv_type_k": "f16",
        "kv_type_v": "f16",
        "mmap": True,
        **checked,
    }
    options["threads"] = options["threads"] or node.cores
    options["threads_batch"] = options["threads_batch"] or options["threads"]
    _check_together(options)
    return options


def _check_together(options: Options) -> None:
    if int(options["ubatch"]) > int(options["batch"]):
        raise InputError(
            f"option ubatch = {options['ubatch']} is larger than batch = {options['batch']}; "
            "make it at most batch"
        )
    if options["kv_type_v"] in _QUANTIZED_KV and options["flash_attention"] == "off":
        raise InputError(
            f"option kv_type_v = {options['kv_type_v']!r} needs flash attention; "
            'set flash_attention = "on" or kv_type_v = "f16"'
        )


def other_way(options: Options) -> Options:
    """The same computation in other pieces: another physical batch, another number of threads."""
    ubatch, threads = int(options["ubatch"]), int(options["threads"])
    other_ubatch = max(1, ubatch // 4) if ubatch > 1 else min(64, int(options["batch"]))
    other_threads = threads - 1 if threads > 1 else 2
    return {
        **options,
        "ubatch": other_ubatch,
        "threads": other_threads,
        "threads_batch": other_threads,
    }
