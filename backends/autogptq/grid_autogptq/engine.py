"""A GPTQ checkpoint loaded by AutoGPTQ."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from grid_gptqmodel.complete import check_complete
from grid_gptqmodel.library import silent
from grid_gptqmodel.older import give_layers
from grid_gptqmodel.retired import declared, engine_version, one_line
from grid_transformers.describe import describe
from grid_transformers.engine import HfEngine, running
from grid_transformers.loading import Loaded

from grid.cells.cell import Options
from grid.errors import Unsupported


@contextmanager
def load(path: Path, device: str, options: Options) -> Iterator[HfEngine]:
    """Load a model folder; leaving gives its memory back.

    `device` is `cpu`, `cuda` or `cuda:1`. Raises OutOfMemory, Unsupported or EngineError.
    """
    from grid_transformers.loading import chosen_device

    place = chosen_device(device, options)
    quantization = declared(path, "gptq", "autogptq")
    if quantization.layout not in ("gptq", ""):
        raise Unsupported(f"{path.name} is packed as {quantization.layout}; autogptq reads gptq")
    with running(path, place, options, lambda: _loaded(path, place, options)) as engine:
        yield engine


def _loaded(path: Path, place: str, options: Options) -> Loaded:
    from grid_transformers.loading import check_device, quiet

    quiet()
    with one_line(path.name), silent():
        model = _model(path, place, int(options["threads"]), check_device)
    give_layers()
    said = {**describe(model, options), **_numerics(model)}
    return Loaded(model, engine_version("auto-gptq"), said)


def _model(path: Path, device: str, threads: int, check_device: Any) -> Any:
    """On a CPU in 32 bits, as its plain kernels unpack the weights at every call; elsewhere in 16,
    with the kernels that AutoGPTQ chooses itself."""
    import torch

    torch.set_num_threads(max(1, threads))
    check_device(torch, device)
    logging.getLogger("auto_gptq").setLevel(logging.ERROR)
    from auto_gptq import AutoGPTQForCausalLM

    plain = device == "cpu"
    wrapper = AutoGPTQForCausalLM.from_quantized(
        str(path),
        device="cuda:0" if device == "cuda" else device,  # a place without a number is refused
        use_safetensors=True,
        trust_remote_code=False,
        disable_exllama=True if plain else None,
        disable_exllamav2=plain,
        inject_fused_attention=False,
        inject_fused_mlp=False,
        torch_dtype=torch.float32 if plain else torch.float16,
    )
    model = wrapper.model
    check_complete(path, model, zero_biases=True)
    model.eval()
    model.requires_grad_(False)
    return model


def _numerics(model: Any) -> dict[str, str]:
    found = [m for m in model.modules() if type(m).__module__.startswith("auto_gptq.nn_modules")]
    kernels = sorted({type(m).__module__.rpartition(".")[2] for m in found})
    dtype = str(model.dtype).removeprefix("torch.")
    return {
        "kernel": ", ".join(kernels),
        "activations": f"stay at {dtype}",
        "weights": "unpacked at every call" if model.device.type == "cpu" else "packed",
    }
