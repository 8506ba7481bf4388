"""Options of the engine: those of transformers, and the kernel of quantized layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grid_transformers import options as transformers

from grid.backend import Check, InputError, Node, Options, did_you_mean

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


def complete(method: str, requested: Mapping[str, Any], node: Node) -> Options:
    """Options with every default filled in for the node. Raises InputError, one line."""
    checks = {**transformers.CHECKS, "kernel": _kernel_of(method)}
    options = transformers.complete(requested, node, method, checks)
    options.setdefault("kernel", "auto")
    return options


def _kernel_of(method: str) -> Check:
    choices = ("auto", *KERNELS[method])

    def check(name: str, value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            hint = did_you_mean(str(value), choices)
            raise InputError(f"option {name} = {value!r} is unknown to {method}. {hint}")
        return value

    return check
