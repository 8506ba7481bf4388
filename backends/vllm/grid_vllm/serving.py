"""The command that serves a folder: `vllm serve`, set as the offline engine was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence

from grid.backend import Artifact, ServeCommand, ServeRequest, ShellCommand, Unsupported
from grid.units import GIB

_KV_TYPES = {"f16": "auto", "bf16": "auto", "fp8": "fp8"}
"""Types of cache by ggml's name -> vLLM's; `auto` is that of the activations, 16 bits."""


def serve_command(artifact: Artifact, request: ServeRequest) -> Sequence[ServeCommand]:
    """See `grid.backend.Serves`."""
    if request.kv_type not in _KV_TYPES:
        raise Unsupported(
            f"vLLM keeps no cache of {request.kv_type}; it takes {', '.join(_KV_TYPES)}"
        )
    if request.cpu_expert_layers or request.gpu_layers is not None:
        raise Unsupported("vLLM places whole models, not layers; llama.cpp does that")
    options = request.options
    words = ["vllm", "serve", str(artifact.path)]
    words += ["--max-model-len", str(request.context), "--max-num-seqs", str(request.sessions)]
    words += [
        "--kv-cache-dtype",
        _cache_type(request),
        "--dtype",
        str(options.get("dtype", "auto")),
    ]
    if "batch" in options:
        words += ["--max-num-batched-tokens", str(options["batch"])]
    if request.device_share is not None and not request.on_cpu:
        words += ["--gpu-memory-utilization", f"{math.floor(100 * request.device_share) / 100:g}"]
    if request.cards > 1 and not request.on_cpu:
        words += ["--tensor-parallel-size", str(request.cards)]
    if options.get("eager") and request.same_hardware:
        words.append("--enforce-eager")
    command = ShellCommand(
        argv=tuple(words), environment=_environment(request), help=("--help=all",)
    )
    return [ServeCommand(program="vllm", commands=(command,), url="http://127.0.0.1:8000/v1")]


def _cache_type(request: ServeRequest) -> str:
    """As measured, where that is of the requested kind: fp8 has two forms."""
    wanted, measured = _KV_TYPES[request.kv_type], str(request.options.get("kv_dtype", "auto"))
    return measured if measured.startswith("fp8") == (wanted == "fp8") else wanted


def _environment(request: ServeRequest) -> dict[str, str]:
    """A CPU's cache and threads are no options, but variables."""
    if not request.on_cpu:
        return {}
    variables = {}
    if request.kv_bytes:
        variables["VLLM_CPU_KVCACHE_SPACE"] = str(math.ceil(request.kv_bytes / GIB))
    if request.same_hardware and "threads" in request.options:
        variables["OMP_NUM_THREADS"] = str(request.options["threads"])
    return variables
