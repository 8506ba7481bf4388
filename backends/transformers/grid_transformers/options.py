"""Options of the engine: names, kinds, defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grid.backend import (
    Check,
    Node,
    Options,
    complete_options,
    noise_batch,
    noise_threads,
    one_of,
    whole_number,
)

DTYPES = ("auto", "float32", "bfloat16", "float16")
"""What weights and activations are kept in while computing. `auto`: the checkpoint's own on an
accelerator, float32 on a CPU, which holds 16-bit weights exactly."""

ATTENTION = ("sdpa", "eager", "flash_attention_2", "flash_attention_3", "flex_attention")
"""Implementations of attention that transformers knows."""

_MAX_BATCH = 65_536

CHECKS: Mapping[str, Check] = {
    "threads": whole_number(0, 4096),
    "batch": whole_number(1, _MAX_BATCH),
    "dtype": one_of(*DTYPES),
    "attention": one_of(*ATTENTION),
    "device": one_of("cpu", "accelerator"),
}
"""Every option; 0 threads means as many as the node has cores, `batch` is tokens evaluated at once,
`device` where the weights are meant to lie: an accelerator where the node has one."""


def complete(
    requested: Mapping[str, Any],
    node: Node,
    backend: str = "transformers",
    checks: Mapping[str, Check] = CHECKS,
) -> Options:
    """Options with every default filled in for the node; `checks` may be fewer or more than
    transformers' own. Raises InputError, one line."""
    defaults = {
        "threads": 0,
        "batch": 512,
        "dtype": "auto",
        "attention": "sdpa",
        "device": "accelerator" if node.accelerators else "cpu",
    }
    usual = {name: value for name, value in defaults.items() if name in checks}
    options = complete_options(backend, requested, checks, usual)
    options["threads"] = options["threads"] or node.cores
    return options


def noise_options(options: Options) -> Options:
    """The same computation in other pieces: another number of tokens at once, other threads."""
    return {
        **options,
        "batch": noise_batch(int(options["batch"])),
        "threads": noise_threads(int(options["threads"])),
    }
