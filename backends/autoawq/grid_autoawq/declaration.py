"""The declaration of AutoAWQ as a backend: importable where it is not installed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from grid_gptqmodel.loading import check_complete
from grid_gptqmodel.retired import Retired

from grid.backend import Unsupported
from grid.models.checkpoint.quantization import Quantization

_PLAIN = "plain"
"""A device that AutoAWQ knows no kernels for: then its layers compute in plain torch."""

_QUANTIZED_LAYERS = "awq.modules.linear"


class AutoAwq(Retired):
    """Runs AWQ checkpoints with the package that named the format; to make them use `awq`."""

    name = "autoawq"
    format = "awq"
    formats = frozenset({"awq"})
    module = "awq"
    distribution = "autoawq"
    runtime = Path(__file__).with_name("runtime.txt")
    advice = (
        "retired; on a CPU its own kernels want intel_extension_for_pytorch, without it its plain "
        "layers compute (slow); other kernels and making checkpoints need CUDA"
    )

    def check_layout(self, name: str, quantization: Quantization, device: str) -> None:
        if quantization.bits != 4:
            raise Unsupported(f"{name} is {quantization.quant}; autoawq runs 4 bits")
        if device == "cpu" and quantization.layout != "gemm":
            raise Unsupported(f"{name} is packed as {quantization.layout}, which needs CUDA")

    def read_model(self, path: Path, device: str) -> Any:
        import torch

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = _from_quantized(torch, path, device)
        check_complete(path, model)
        if device == "cpu":
            _widen(torch, model)
        return model

    def numerics(self, model: Any) -> Mapping[str, str]:
        kinds = {type(layer) for layer in model.modules()}
        kernels = {kind.__name__ for kind in kinds if kind.__module__.startswith(_QUANTIZED_LAYERS)}
        plain = model.device.type == "cpu"
        return {
            "kernel": ", ".join(sorted(kernels)),
            "activations": "are rounded in quantized layers to float16",
            "weights": "unpacked at every call to float16" if plain else "packed",
        }


def _from_quantized(torch: Any, path: Path, device: str) -> Any:
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
    return wrapper.model


def _widen(torch: Any, model: Any) -> None:
    """Embeddings, norms and head to 32 bits; quantized layers want 16-bit scales."""
    for module in model.modules():
        if type(module).__module__.startswith(_QUANTIZED_LAYERS):
            continue
        for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
            if tensor.dtype == torch.float16:
                tensor.data = tensor.data.float()
