"""Options of the engine: names, kinds, defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from grid.cells.cell import Options
from grid.errors import InputError, did_you_mean
from grid.hardware.node import Node

DTYPES = ("auto", "float32", "bfloat16", "float16")
"""What weights and activations are kept in while computing. `auto`: the checkpoint's own on an
accelerator, float32 on a CPU, which holds 16-bit weights exactly."""

ATTENTION = ("sdpa", "eager", "flash_attention_2", "flash_attention_3", "flex_attention")
"""Implementations of attention that transformers knows."""

DEVICES = ("cpu", "accelerator")

_MAX_BATCH = 65_536
_OTHER_BATCH = 48


def _whole(low: int, high: int) -> Callable[[str, Any], int]:
    def check(name: str, value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise InputError(
                f"option {name} = {value!r}: write a whole number from {low} to {high}"
            )
        return value

    return check


def _one_of(*known: str) -> Callable[[str, Any], str]:
    def check(name: str, value: Any) -> str:
        if not isinstance(value, str) or value not in known:
            raise InputError(
                f"option {name} = {value!r} is unknown. {did_you_mean(str(value), known)}"
            )
        return value

    return check


CHECKS: dict[str, Callable[[str, Any], str | int]] = {
    "threads": _whole(0, 4096),
    "batch": _whole(1, _MAX_BATCH),
    "dtype": _one_of(*DTYPES),
    "attention": _one_of(*ATTENTION),
    "device": _one_of(*DEVICES),
}
"""Every option; 0 threads means as many as the node has cores, `batch` is tokens evaluated at once,
`device` where the weights are meant to lie: an accelerator where the node has one."""


def complete(given: Mapping[str, Any], node: Node) -> Options:
    """Options with every default filled in for the node. Raises InputError, one line."""
    for name in given:
        if name not in CHECKS:
            raise InputError(
                f"option {name!r} is unknown to transformers. {did_you_mean(name, CHECKS)}"
            )
    checked = {name: CHECKS[name](name, value) for name, value in given.items()}
    options: Options = {
        "threads": 0,
        "batch": 512,
        "dtype": "auto",
        "attention": "sdpa",
        "device": "accelerator" if node.accelerators else "cpu",
        **checked,
    }
    options["threads"] = options["threads"] or node.cores
    return options


def other_way(options: Options) -> Options:
    """The same computation in other pieces: another number of tokens at once, other threads.

    The number divides no usual length of a text, and is shorter than each: a smaller power of two
    would leave a text of that length in one piece, and nothing would differ.
    """
    batch, threads = int(options["batch"]), int(options["threads"])
    return {
        **options,
        "batch": _OTHER_BATCH if batch != _OTHER_BATCH else _OTHER_BATCH - 8,
        "threads": threads - 1 if threads > 1 else 2,
    }
