"""The declaration of AutoGPTQ as a backend: importable where it is not installed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grid_gptqmodel.loading import check_complete
from grid_gptqmodel.retired import Retired

from grid.backend import Unsupported
from grid.models.checkpoint.quantization import Quantization


class AutoGptq(Retired):
    """Runs GPTQ checkpoints with the package that named the format; to make them use `gptq`."""

    name = "autogptq"
    format = "gptq"
    formats = frozenset({"gptq"})
    module = "auto_gptq"
    distribution = "auto-gptq"
    runtime = Path(__file__).with_name("runtime.txt")
    advice = (
        "retired; runs checkpoints on a CPU by its plain kernels, makes them only with CUDA "
        "(backend gptq makes the same files anywhere)"
    )

    def check_layout(self, name: str, quantization: Quantization, device: str) -> None:
        if quantization.layout not in ("gptq", ""):
            raise Unsupported(f"{name} is packed as {quantization.layout}; autogptq reads gptq")

    def read_model(self, path: Path, device: str) -> Any:
        """On a CPU in 32 bits, as its plain kernels unpack the weights at every call; elsewhere in
        16, with the kernels that AutoGPTQ chooses itself."""
        import torch

        logging.getLogger("auto_gptq").setLevel(logging.ERROR)
        from auto_gptq import AutoGPTQForCausalLM

        plain = device == "cpu"
        wrapper = AutoGPTQForCausalLM.from_quantized(
            str(path),
            device="cuda:0" if device == "cuda" else device,  # it refuses one without a number
            use_safetensors=True,
            trust_remote_code=False,
            disable_exllama=True if plain else None,
            disable_exllamav2=plain,
            inject_fused_attention=False,
            inject_fused_mlp=False,
            torch_dtype=torch.float32 if plain else torch.float16,
        )
        check_complete(path, wrapper.model, zero_biases=True)
        return wrapper.model

    def numerics(self, model: Any) -> Mapping[str, str]:
        modules = {type(layer).__module__ for layer in model.modules()}
        kernels = {name for name in modules if name.startswith("auto_gptq.nn_modules")}
        dtype = str(model.dtype).removeprefix("torch.")
        return {
            "kernel": ", ".join(sorted(name.rpartition(".")[2] for name in kernels)),
            "activations": f"stay at {dtype}",
            "weights": "unpacked at every call" if model.device.type == "cpu" else "packed",
        }
