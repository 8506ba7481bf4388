"""An AWQ checkpoint loaded by AutoAWQ."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from grid_gptqmodel.complete import check_complete
from grid_gptqmodel.library import silent
from grid_gptqmodel.older import give_layers
from grid_gptqmodel.retired import declared, engine_version, one_line
from grid_transformers.describe import describe
from grid_transformers.engine import HfEngine, running
from grid_transformers.loading import Loaded

from grid.cells.cell import Options
from grid.errors import Unsupported

_PLAIN = "plain"
"""A device that AutoAWQ knows no kernels for: then its layers compute in plain torch."""


@contextmanager
def load(path: Path, device: str, options: Options) -> Iterator[HfEngine]:
    """Load a model folder; leaving gives its memory back.

    `device` is `cpu`, `cuda` or `cuda:1`. Raises OutOfMemory, Unsupported or EngineError.
    """
    from grid_transformers.loading import chosen_device

    place = chosen_device(device, options)
    quantization = declared(path, "awq", "autoawq")
    if quantization.bits != 4:
        raise Unsupported(f"{path.name} is {quantization.quant}; autoawq runs 4 bits")
    if place == "cpu" and quantization.layout != "gemm":
        raise Unsupported(f"{path.name} is packed as {quantization.layout}, which needs CUDA")
    with running(path, place, options, lambda: _loaded(path, place, options)) as engine:
        yield engine


def _loaded(path: Path, place: str, options: Options) -> Loaded:
    from grid_transformers.loading import check_device, quiet

    quiet()
    with one_line(path.name), silent(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = _model(path, place, int(options["threads"]), check_device)
    give_layers()
    said = {**describe(model, options), **_numerics(model)}
    return Loaded(model, engine_version("autoawq"), said)


def _model(path: Path, device: str, threads: int, check_device: Any) -> Any:
    import torch

    torch.set_num_threads(max(1, threads))
    check_device(torch, device)
    from awq import AutoAWQForCausalLM
    from awq.models import base
    from awq.utils.utils import ipex_available

    plain = device == "cpu" and not ipex_available
    best = _PLAIN if plain else base.get_best_device()
    # On a CPU AutoAWQ insists on intel_extension_for_pytorch, though its layers can do without.
    with mock.patch.object(base, "get_best_device", return_value=best):
        wrapper = AutoAWQForCausalLM.from_quantized(
            str(path),
            fuse_layers=False,
            trust_remote_code=False,
            safetensors=True,
            torch_dtype=torch.float16,
            device_map={"": device},
        )
    model = wrapper.model
    check_complete(path, model)
    if device == "cpu":
        _widen(torch, model)
    model.eval()
    model.requires_grad_(False)
    return model


def _widen(torch: Any, model: Any) -> None:
    """Embeddings, norms and head to 32 bits; quantized layers want 16-bit scales."""
    for module in model.modules():
        if type(module).__module__.startswith("awq.modules.linear"):
            continue
        for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
            if tensor.dtype == torch.float16:
                tensor.data = tensor.data.float()


def _numerics(model: Any) -> dict[str, str]:
    found = [m for m in model.modules() if type(m).__module__.startswith("awq.modules.linear")]
    plain = model.device.type == "cpu"
    return {
        "kernel": ", ".join(sorted({type(module).__name__ for module in found})),
        "activations": "are rounded in quantized layers to float16",
        "weights": "unpacked at every call to float16" if plain else "packed",
    }
