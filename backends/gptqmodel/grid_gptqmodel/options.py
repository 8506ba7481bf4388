"""Options of the engine: those of transformers, and the kernel of quantized layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grid_transformers import options as shared

from grid.cells.cell import Options
from grid.errors import InputError, did_you_mean
from grid.hardware.node import Node

KERNELS: Mapping[str, Mapping[str, str]] = {
    "gptq": {
        "aten": "gptq_torch_aten",
        "bitblas": "gptq_bitblas",
        "exllama_v2": "gptq_exllama_v2",
        "fused": "gptq_torch_fused",
        "int8": "gptq_torch_int8",
        "machete": "gptq_machete",
        "marlin": "gptq_marlin",
        "swordfish": "gptq_swordfish",
        "torch": "gptq_torch",
        "triton": "gptq_triton",
    },
    "awq": {
        "aten": "awq_torch_aten",
        "bitblas": "awq_bitblas",
        "exllama_v2": "awq_exllama_v2",
        "fused": "awq_torch_fused",
        "gemm": "awq_gemm",
        "gemm_triton": "awq_gemm_triton",
        "gemv": "awq_gemv",
        "gemv_fast": "awq_gemv_fast",
        "int8": "awq_torch_int8",
        "machete": "awq_machete",
        "marlin": "awq_marlin",
        "swordfish": "awq_swordfish",
        "torch": "awq_torch",
    },
}
"""Kernels by method -> GPTQModel's own name. `auto`, beside them, chooses as `kernels.choose`."""


def complete(method: str, given: Mapping[str, Any], node: Node) -> Options:
    """Options with every default filled in for the node. Raises InputError, one line."""
    known = {*shared.CHECKS, "kernel"}
    for name in given:
        if name not in known:
            raise InputError(f"option {name!r} is unknown to {method}. {did_you_mean(name, known)}")
    kernel = given.get("kernel", "auto")
    choices = ("auto", *KERNELS[method])
    if not isinstance(kernel, str) or kernel not in choices:
        raise InputError(
            f"option kernel = {kernel!r} is unknown to {method}. "
            f"{did_you_mean(str(kernel), choices)}"
        )
    rest = {name: value for name, value in given.items() if name != "kernel"}
    return {**shared.complete(rest, node), "kernel": kernel}
