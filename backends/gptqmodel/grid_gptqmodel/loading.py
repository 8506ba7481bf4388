"""Model folders loaded by GPTQModel, and 16-bit ones by the same environment's transformers.

Loaders fill what a checkpoint lacks with zeros or random numbers and say nothing; no figure is made
of those, so what is loaded is checked to be complete.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from grid_transformers.failures import loading
from grid_transformers.library import check_device, prepare_process
from grid_transformers.loading import compute_type, from_folder

from grid.backend import EngineError, Options
from grid.models.checkpoint.files import read_weights
from grid.models.checkpoint.quantization import Quantization
from grid_gptqmodel import kernels
from grid_gptqmodel.failures import loading_with_kernel
from grid_gptqmodel.library import library, silence_output

_PACKED = frozenset({"qweight", "qzeros", "scales"})
_STORED = _PACKED | {"g_idx", "bias", "weight"}


def load_plain(path: Path, device: str, options: Options) -> tuple[Any, dict[str, str]]:
    model = from_folder(
        path, device, str(options["dtype"]), str(options["attention"]), int(options["threads"])
    )
    dtype = str(model.dtype).removeprefix("torch.")
    return model, {"kernel": "Linear", "activations": f"stay at {dtype}", "weights": dtype}


def load_quantized(
    path: Path, device: str, options: Options, quantization: Quantization, sym: bool
) -> tuple[Any, dict[str, str]]:
    kernel = kernels.choose(quantization, str(options["kernel"]), device, sym)
    prepare_process()
    with loading(path.name):
        import torch

        torch.set_num_threads(max(1, int(options["threads"])))
        check_device(torch, device)
    dtype = compute_type(torch, path, device, str(options["dtype"]))
    with loading_with_kernel(path.name, str(options["kernel"])), _without_compiling(torch, device):
        model = _from_quantized(path, device, kernel, dtype, str(options["attention"]))
        _first_evaluation(torch, model)
    name = str(dtype).removeprefix("torch.")
    return model, kernels.numerics(kernels.layers(model), name)


def _from_quantized(path: Path, device: str, kernel: str, dtype: Any, attention: str) -> Any:
    """Most kernels take only 16-bit models; what is outside them is widened afterwards, and their
    scales with it, which changes no value."""
    gptqmodel = library()
    import torch

    narrow = dtype if dtype != torch.float32 else _stored_type(torch, path, device)
    with silence_output():
        wrapper = gptqmodel.GPTQModel.load(
            str(path),
            device=device,
            backend=gptqmodel.BACKEND(kernel),
            dtype=narrow,
            trust_remote_code=False,
        )
        model = wrapper.model
        check_complete(path, model)
        model.set_attn_implementation(attention)
        if dtype == torch.float32:
            model.float()
    model.eval()
    model.requires_grad_(False)
    if model.device.type == "cpu":
        kernels.keep_unpacked(kernels.layers(model))
    return model


def _stored_type(torch: Any, path: Path, device: str) -> Any:
    """The 16-bit type that holds a checkpoint's unpacked weights as they are."""
    stored = compute_type(torch, path, device, "checkpoint")
    return torch.bfloat16 if stored == torch.bfloat16 else torch.float16


def _without_compiling(torch: Any, device: str) -> AbstractContextManager[Any]:
    """GPTQModel has the unpacking of weights compiled, which on a CPU takes a C++ compiler and up
    to a minute, and is done once."""
    if device.partition(":")[0] != "cpu":
        return nullcontext()
    stance: AbstractContextManager[Any] = torch.compiler.set_stance("force_eager")
    return stance


def _first_evaluation(torch: Any, model: Any) -> None:
    """Kernels lay their weights out anew at the first call: a part of loading."""
    with torch.inference_mode():
        model(input_ids=torch.zeros((1, 1), dtype=torch.long, device=model.device), use_cache=False)


def check_complete(path: Path, model: Any, zero_biases: bool = False) -> None:
    """Raises EngineError naming the first tensor of `model` that the folder lacks. To be asked
    before kernels lay their weights out anew. `zero_biases`: packed layers have a bias of zeros
    where the checkpoint has none."""
    names = {tensor.name for tensor in read_weights(path).tensors}
    tied: set[str] = set()
    if getattr(model.config, "tie_word_embeddings", False):
        tied = set(getattr(model, "_tied_weights_keys", None) or ())
    if zero_biases:
        names |= {name for name, _ in model.named_buffers() if name.endswith(".bias")}
    missing = sorted(set(_stored_names(model.state_dict())) - names - tied)
    if missing:
        raise EngineError(
            f"{path}: the checkpoint lacks {len(missing)} of the tensors that config.json asks "
            f"for, {missing[0]} first; is it the config.json of these weights?"
        )


def _stored_names(names: Collection[str]) -> Iterator[str]:
    """Tensors of a model that a checkpoint has: all but those that kernels of packed layers make
    for themselves, such as an order of inputs."""
    packed = {module for module, _, own in _split(names) if own in _PACKED}
    for module, name, own in _split(names):
        if own in _STORED or module not in packed:
            yield name


def _split(names: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Each name's module, the name, and its last part."""
    for name in names:
        module, _, own = name.rpartition(".")
        yield module, name, own
