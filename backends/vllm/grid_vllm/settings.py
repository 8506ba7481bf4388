"""How vLLM is set up: its environment variables, its arguments, its logging."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from grid.cells.cell import Options
from grid.errors import EngineError, Unsupported
from grid.models.checkpoint.config import Config
from grid.models.checkpoint.files import read_config
from grid.models.checkpoint.layers import layer_states
from grid.models.checkpoint.quantization import read_quantization
from grid_vllm import memory

_FIXED = {
    # The engine's memory, death and clock are to be this process's own.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
    # A prompt as long as the model's context still samples the token after it.
    "VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1",
    # Its default on AMX quantizes activations to 8 bits for 4-bit weights.
    "VLLM_CPU_INT4_W4A8": "0",
    # What is to be loaded lies here; nothing is asked of a hub.
    "HF_HUB_OFFLINE": "1",
}


_SHARE = 0.05
"""Of an accelerator's memory, what has to be free before weights are loaded. The cache is stated in
bytes, so that nothing else follows from it; vLLM's own 0.92 refuses a device that is shared."""


class Setup(NamedTuple):
    """What is loaded: its context in tokens, the ids that end a text, the arguments of vLLM."""

    context: int
    end_ids: tuple[int, ...]
    arguments: dict[str, Any]


def prepare(device: str, options: Options) -> None:
    """Set the environment of this process, which is the engine's own, before vLLM is imported."""
    os.environ.update(_FIXED)
    # vLLM keeps torch at one thread unless this is set.
    os.environ["OMP_NUM_THREADS"] = str(options["threads"])
    if options["eager"]:
        # Small functions outside the model are compiled at their first use otherwise.
        os.environ["TORCHDYNAMO_DISABLE"] = "1"
    _choose_device(device)
    import torch

    # vLLM replaces it in the process at the first load, by one that does nothing.
    torch.set_num_threads = torch._C.set_num_threads
    torch.set_num_threads(int(options["threads"]))


def _choose_device(device: str) -> None:
    kind, _, number = device.partition(":")
    if kind == "cpu" or not number.isdigit():
        return
    visible = _visible()
    if visible and int(number) >= len(visible):
        raise EngineError(f"device {device}: only {len(visible)} devices are visible")
    os.environ["CUDA_VISIBLE_DEVICES"] = visible[int(number)] if visible else number


@cache
def _visible() -> tuple[str, ...]:
    """Devices that the process was given: what is narrowed to one stays that one when it is
    prepared again."""
    return tuple(one for one in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if one)


def check_device(device: str, built_for: str, options: Options) -> None:
    """Raises Unsupported where this build of vLLM computes on another kind of device, or where the
    options are those of an accelerator and the device is none."""
    kind = device.partition(":")[0]
    if kind == "cpu" and options["device"] != "cpu":
        raise Unsupported("the options ask for an accelerator, the node gave the CPU")
    if kind != built_for:
        raise Unsupported(
            f"this build of vLLM computes on {built_for}, not on {kind}; the other is an "
            "environment of its own"
        )


def setup(path: Path, options: Options, device: str) -> Setup:
    """Arguments for a folder. Raises InputError where its config.json cannot be read, Unsupported
    for a type that the kernels of its weights do not compute in."""
    values = read_config(path)
    config = Config(path / "config.json", values)
    context = memory.context(config.context_length, options)
    arguments = {
        "model": str(path),
        "skip_tokenizer_init": True,
        "trust_remote_code": False,
        "dtype": _dtype(path, values, str(options["dtype"]), device),
        "max_model_len": context + 1,
        "max_num_batched_tokens": options["batch"],
        "max_num_seqs": options["sequences"],
        "enforce_eager": options["eager"],
        "kv_cache_dtype": options["kv_dtype"],
        "gpu_memory_utilization": _SHARE,
        "kv_cache_memory_bytes": memory.cache_bytes(layer_states(config), context, options),
        "enable_prefix_caching": False,
        "enable_chunked_prefill": True,
        "async_scheduling": False,
        "max_logprobs": 1,
        "disable_log_stats": True,
        "generation_config": "vllm",
        "seed": 0,
        "use_tqdm_on_load": False,
    }
    return Setup(context, _end_ids(path, values), arguments)


def _dtype(path: Path, config: Mapping[str, Any], asked: str, device: str) -> str:
    """The type of the activations; on a CPU the one that the kernels of quantized weights take.

    Another type was seen to end the process: 4 bits in bfloat16 where the processor has AMX (an
    illegal instruction), 8-bit integers in float16 (a path that is not there); 8-bit floats then
    took minutes. Float32 vLLM refuses by itself.
    """
    found = read_quantization(path, config)
    if device.partition(":")[0] != "cpu" or found is None:
        return asked
    right, wrong = ("float16", "bfloat16") if found.bits == 4 else ("bfloat16", "float16")
    if asked == wrong:
        raise Unsupported(
            f"{path.name}: vLLM's CPU kernels for {found.quant} do not compute in {wrong} on every "
            f'processor; set dtype = "{right}"'
        )
    return right if asked == "auto" else asked


def activations(path: Path, device: str) -> str:
    """`are quantized to 8 bits` where the folder's method does that, else nothing."""
    from grid_transformers.activations import quantized_activations

    said = read_config(path).get("quantization_config")
    return quantized_activations(said, device) if isinstance(said, Mapping) else ""


def _end_ids(path: Path, config: Mapping[str, Any]) -> tuple[int, ...]:
    """Ids that end a text, by generation_config.json, else by config.json."""
    found = _end_id(_json(path / "generation_config.json")) or _end_id(config)
    return found or _end_id(config.get("text_config") or {})


def _end_id(values: Mapping[str, Any]) -> tuple[int, ...]:
    said = values.get("eos_token_id")
    listed = said if isinstance(said, list) else [said]
    return tuple(one for one in listed if type(one) is int)


def _json(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EngineError(f"{path}: cannot be read ({error})") from error
    return content if isinstance(content, dict) else {}
