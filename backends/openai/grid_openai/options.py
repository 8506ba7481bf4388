"""Options: the program that serves files, and how it is set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grid.backend import (
    Node,
    Options,
    complete_options,
    flag,
    noise_batch,
    one_of,
    whole_number,
)

PROGRAMS = ("llama-cpp-python", "llama-server", "vllm", "ollama")

_CHECKS = {
    "serve": one_of("auto", *PROGRAMS),
    "threads": whole_number(0, 4096),
    "gpu_layers": whole_number(-1, 10_000),
    "batch": whole_number(1, 65_536),
    "mmap": flag,
    "start_limit": whole_number(1, 3600),
    "answer_limit": whole_number(1, 3600),
}
_DEFAULTS: Options = {
    "serve": "auto",
    "gpu_layers": -1,
    "batch": 512,
    "mmap": True,
    "start_limit": 300,
    "answer_limit": 120,
}

SPEED_ONLY = frozenset({"threads", "mmap", "start_limit", "answer_limit"})


def complete(requested: Mapping[str, Any], node: Node) -> Options:
    """All options. `serve` auto is llama-cpp-python's server for a GGUF, `vllm` for a folder;
    `start_limit` and `answer_limit` are seconds, for a server to be ready and for its next word."""
    return complete_options(
        "openai", requested, _CHECKS, {**_DEFAULTS, "threads": max(node.cores, 1)}
    )


def noise_options(options: Options) -> Options:
    """The same in another batch, so that sums are added in another order."""
    return {**options, "batch": noise_batch(int(options["batch"]))}
