"""A model folder loaded by transformers, with what a reader of its numbers must know."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from grid.backend import EngineError, InputError, Options, Unsupported
from grid_transformers.environment import describe
from grid_transformers.failures import loading
from grid_transformers.library import check_device, prepare_process, silence_logs, stack_version


class Loaded(NamedTuple):
    """A model ready to compute, the engine's version, and the environment of its numbers."""

    model: Any
    version: str
    environment: Mapping[str, str]


def choose_device(device: str, options: Options) -> str:
    """Where weights go: the device that the node gives, or the CPU where the options say so.

    Raises Unsupported where the options ask for more than the node gives: what is computed on a CPU
    must not be taken for an accelerator's.
    """
    if options["device"] == "cpu":
        return "cpu"
    if device == "cpu":
        raise Unsupported(
            'the options ask for an accelerator, the node gave the CPU; set device = "cpu"'
        )
    return device


def load_model(path: Path, device: str, options: Options) -> Loaded:
    """Load a folder onto a device. Raises OutOfMemory, Unsupported or EngineError, one line."""
    model = from_folder(
        path,
        device,
        str(options["dtype"]),
        str(options["attention"]),
        int(options["threads"]),
    )
    return Loaded(model, stack_version(), describe(model, options))


def from_folder(
    path: Path,
    device: str,
    dtype: str,
    attention: str,
    threads: int,
    config: Callable[[], Any] | None = None,
) -> Any:
    """The model of a folder, ready to compute; `config` makes the quantization config that is
    applied to 16-bit weights on the way. `dtype` is a name of torch's, `auto` or `checkpoint`.

    Raises OutOfMemory, Unsupported or EngineError, one line.
    """
    prepare_process()
    with loading(path.name):
        import torch
        import transformers
    silence_logs(transformers)
    torch.set_num_threads(max(1, threads))
    check_device(torch, device)
    check_format(path)
    if device == "cpu":
        # Threads that load tensors beside each other leave memory behind in pools of their own, by
        # chance more or less of it, and hold more tensors at once: no peak would repeat.
        os.environ["HF_DEACTIVATE_ASYNC_LOAD"] = "1"
    wanted = compute_type(torch, path, device, dtype)
    with loading(path.name):
        kind = transformers.AutoModel if is_encoder(path) else transformers.AutoModelForCausalLM
        model, info = kind.from_pretrained(
            path,
            dtype=wanted,
            device_map={"": device},
            attn_implementation=attention,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            **({} if config is None else {"quantization_config": config()}),
        )
    _check_weights(path, info, model.config)
    model.eval()
    model.requires_grad_(False)
    force_exact_kernels(model, wanted)
    return model


def is_encoder(path: Path) -> bool:
    """Whether config.json names a model without a head that predicts tokens: `BertModel`."""
    names = [str(name) for name in _config(path).get("architectures") or []]
    return bool(names) and all(
        name.endswith("Model") and not name.endswith("LMHeadModel") for name in names
    )


FORMATS = frozenset(
    {"safetensors", "bnb", "torchao", "gptq", "awq", "aqlm", "fp8", "compressed-tensors"}
)
"""Kinds of folder that transformers loads. HQQ is left out: it says that its own is to come."""


def check_format(path: Path) -> None:
    """transformers ignores a quantization that it does not know, and computes with packed numbers
    as if they were weights. Raises Unsupported for such a folder."""
    from grid.models.checkpoint.quantization import read_quantization

    try:
        quantization = read_quantization(path, _config(path))
    except InputError as error:
        raise Unsupported(str(error)) from error
    if quantization is not None and quantization.format not in FORMATS:
        raise Unsupported(f"{path}: transformers does not load {quantization.format} weights")


def force_exact_kernels(model: Any, dtype: Any) -> None:
    """Asked for 32 bits, a quantized model shall compute in 32 bits: then a checkpoint has one
    quality on all CPUs.

    Some loaders leave what is not quantized in the 16 bits of the file; it is widened. bitsandbytes
    on CPUs with 16-bit instructions rounds activations and scales to bfloat16 at the first
    evaluation, whatever the model computes in; that is switched off.
    """
    import torch

    if dtype != torch.float32:
        return
    for parameter in model.parameters():
        plain = type(parameter) is torch.nn.Parameter and type(parameter.data) is torch.Tensor
        if plain and parameter.dtype in (torch.float16, torch.bfloat16):
            parameter.data = parameter.data.float()
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
            module.compute_dtype, module.compute_type_is_set = dtype, True


def compute_type(torch: Any, path: Path, device: str, name: str) -> Any:
    """The type that weights and activations have while computing.

    `auto` is the checkpoint's own on an accelerator. On a CPU it is 32 bits: most have no 16-bit
    arithmetic, so theirs is slower and rounds more, and 32 bits hold every 16-bit weight exactly.
    torchao's 8-bit floats multiply in the type they were saved for only, and keep that.
    """
    if name not in ("auto", "checkpoint"):
        return getattr(torch, name)
    config = _config(path)
    bound = "Float8" in json.dumps(config.get("quantization_config", {}).get("quant_type", ""))
    if name == "auto" and device == "cpu" and not bound:
        return torch.float32
    for part in (config, config.get("text_config") or {}):
        stored = part.get("dtype") or part.get("torch_dtype")
        if stored in ("float32", "float16", "bfloat16"):
            return getattr(torch, stored)
    return getattr(torch, _most_common(path))


_TYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def _most_common(path: Path) -> str:
    """The type that most of the unpacked weights are stored in, where config.json names none."""
    from grid.models.checkpoint.files import read_weights
    from grid.models.checkpoint.inspection import plain_name

    try:
        tensors = [tensor for tensor in read_weights(path).tensors if tensor.dtype in _TYPES]
    except InputError as error:
        raise EngineError(str(error)) from error
    return _TYPES[plain_name(tensors)] if tensors else "bfloat16"


def _config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EngineError(f"{path}/config.json: cannot be read ({error})") from error
    if not isinstance(config, dict):
        raise EngineError(f"{path}/config.json: no JSON object")
    return config


_OF_LAYER = re.compile(r"(?:(?:model|transformer|language_model)\.)*(?:layers|h)\.(\d+)\.")


def _check_weights(path: Path, info: Mapping[str, Any], config: Any) -> None:
    """transformers fills what a checkpoint lacks with random numbers, and leaves out layers that
    config.json does not count; no figure is made of those.

    Raises EngineError naming the weights.
    """
    text = config.get_text_config(decoder=True)
    layers = int(getattr(text, "num_hidden_layers", 0) or 0)
    # Layers that predict further tokens follow the others, and belong to no model of ours.
    counted = layers + int(getattr(text, "num_nextn_predict_layers", 0) or 0)
    for name in sorted(info.get("unexpected_keys") or ()):
        match = _OF_LAYER.match(name)
        if layers and match and int(match[1]) >= counted:
            raise EngineError(
                f"{path}: the checkpoint has {name}, config.json says {layers} layers; is it the "
                "config.json of these weights?"
            )
    # What makes a classifier's input of the first token; no vector of a text goes through it.
    keys = info.get("missing_keys") or ()
    missing = sorted(key for key in keys if not str(key).startswith("pooler."))
    shapes = sorted(str(key) for key in info.get("mismatched_keys") or ())
    for what, names in (("lacks", missing), ("has in another shape", shapes)):
        if names:
            raise EngineError(
                f"{path}: the checkpoint {what} {len(names)} of the weights that config.json asks "
                f"for, {names[0]} first; is it the config.json of these weights?"
            )
