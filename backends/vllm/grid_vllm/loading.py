"""What vLLM is told to load: its arguments for a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from grid.backend import EngineError, Options, Unsupported
from grid.models.checkpoint.config import Config
from grid.models.checkpoint.files import read_config
from grid.models.checkpoint.layers import layer_states
from grid.models.checkpoint.quantization import read_quantization
from grid_vllm import memory

_SHARE = 0.05
"""Of an accelerator's memory, what has to be free before weights are loaded. The cache is stated in
bytes, so that nothing else follows from it; vLLM's own 0.92 refuses a device that is shared."""


class Setup(NamedTuple):
    """What is loaded: its context in tokens, the ids that end a text, the arguments of vLLM."""

    context: int
    end_ids: tuple[int, ...]
    arguments: dict[str, Any]


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
    if "speculative_config" in options:
        arguments["speculative_config"] = json.loads(str(options["speculative_config"]))
    return Setup(context, _end_ids(path, values), arguments)


def _dtype(path: Path, config: Mapping[str, Any], requested: str, device: str) -> str:
    """The type of the activations; on a CPU the one that the kernels of quantized weights take.

    Another type was seen to end the process: 4 bits in bfloat16 where the processor has AMX (an
    illegal instruction), 8-bit integers in float16 (a path that is not there); 8-bit floats then
    took minutes. Float32 vLLM refuses by itself.
    """
    quantization = read_quantization(path, config)
    if device.partition(":")[0] != "cpu" or quantization is None:
        return requested
    right, wrong = ("float16", "bfloat16") if quantization.bits == 4 else ("bfloat16", "float16")
    if requested == wrong:
        raise Unsupported(
            f"{path.name}: vLLM's CPU kernels for {quantization.quant} do not compute in {wrong} "
            f'on every processor; set dtype = "{right}"'
        )
    return right if requested == "auto" else requested


def _end_ids(path: Path, config: Mapping[str, Any]) -> tuple[int, ...]:
    """Ids that end a text, by generation_config.json, else by config.json."""
    ids = _end_id(_json(path / "generation_config.json")) or _end_id(config)
    return ids or _end_id(config.get("text_config") or {})


def _end_id(values: Mapping[str, Any]) -> tuple[int, ...]:
    declared = values.get("eos_token_id")
    listed = declared if isinstance(declared, list) else [declared]
    return tuple(token for token in listed if type(token) is int)


def _json(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EngineError(f"{path}: cannot be read ({error})") from error
    return content if isinstance(content, dict) else {}
