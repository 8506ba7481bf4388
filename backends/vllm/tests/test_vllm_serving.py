"""The command that serves a folder, and vLLM's own parser."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import pytest
from grid_vllm import backend

from grid.backend import Artifact, Node, ServeRequest, Unsupported
from grid.testing.fixtures import make_model, skip_unless_installed

ARTIFACT = Artifact(
    model=make_model(), format="safetensors", quant="BF16", path="/models of mine/base"
)
PARSE = """
import importlib, json, sys
from vllm.utils.argparse_utils import FlexibleArgumentParser
cli_args = importlib.import_module(sys.argv[1])
flags = cli_args.make_arg_parser(FlexibleArgumentParser()).parse_args(sys.argv[2:])
names = ("model_tag", "max_model_len", "max_num_seqs", "kv_cache_dtype", "dtype",
         "max_num_batched_tokens", "gpu_memory_utilization", "tensor_parallel_size")
print(json.dumps({name: getattr(flags, name) for name in names}))
"""
MODULES = ("vllm.entrypoints.launchers.cli_args", "vllm.entrypoints.openai.cli_args")
"""Where the parser of `vllm serve` stands, by version."""


def words(request: ServeRequest) -> tuple[str, ...]:
    (command,) = backend.serve_command(ARTIFACT, request)
    return command.commands[0].argv


def test_a_card_is_filled_as_far_as_models_can_have_it(node: Node) -> None:
    request = ServeRequest(
        context=8192, sessions=4, kv_type="fp8", platform="cuda", cards=2, device_share=0.9678,
        options={"dtype": "auto", "kv_dtype": "auto", "batch": 2048, "eager": True},
        same_hardware=False,
    )  # fmt: skip
    assert words(request) == (
        "vllm", "serve", "/models of mine/base", "--max-model-len", "8192", "--max-num-seqs", "4",
        "--kv-cache-dtype", "fp8", "--dtype", "auto", "--max-num-batched-tokens", "2048",
        "--gpu-memory-utilization", "0.96", "--tensor-parallel-size", "2",
    )  # fmt: skip


def test_on_a_cpu_cache_and_threads_are_variables(node: Node) -> None:
    request = ServeRequest(
        context=4096, kv_bytes=3 * 2**30 // 2, options=backend.options({"threads": 3}, node)
    )
    (command,) = backend.serve_command(ARTIFACT, request)
    assert command.commands[0].environment == {
        "VLLM_CPU_KVCACHE_SPACE": "2",
        "OMP_NUM_THREADS": "3",
    }
    assert "--enforce-eager" in command.commands[0].argv
    assert "--gpu-memory-utilization" not in command.commands[0].argv


def test_a_measured_form_of_fp8_stays() -> None:
    request = ServeRequest(
        context=64, platform="cuda", kv_type="fp8", options={"kv_dtype": "fp8_e5m2"}
    )
    assert "fp8_e5m2" in words(request)


def test_what_vllm_cannot_be_set_to_is_refused() -> None:
    with pytest.raises(Unsupported, match="no cache of q4_0; it takes f16, bf16, fp8"):
        words(ServeRequest(context=64, kv_type="q4_0"))
    with pytest.raises(Unsupported, match="places whole models"):
        words(ServeRequest(context=64, platform="cuda", cpu_expert_layers=4))


@pytest.mark.engine
def test_vllms_own_parser_reads_the_command() -> None:
    skip_unless_installed("vllm")
    module = next(name for name in MODULES if _exists(name))
    request = ServeRequest(
        context=8192, sessions=4, kv_type="fp8", platform="cuda", cards=2, device_share=0.93,
        options={"dtype": "auto", "batch": 2048, "eager": True},
    )  # fmt: skip
    line = words(request)
    done = subprocess.run(
        [sys.executable, "-c", PARSE, module, *line[2:]],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "model_tag": "/models of mine/base", "max_model_len": 8192, "max_num_seqs": 4,
        "kv_cache_dtype": "fp8", "dtype": "auto", "max_num_batched_tokens": 2048,
        "gpu_memory_utilization": 0.93, "tensor_parallel_size": 2,
    }  # fmt: skip


def _exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
