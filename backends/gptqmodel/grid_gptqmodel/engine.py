"""A checkpoint loaded by GPTQModel, or a 16-bit one by the same environment's transformers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from grid_transformers.describe import describe
from grid_transformers.engine import HfEngine, running
from grid_transformers.failures import first_line, is_out_of_memory, loading
from grid_transformers.loading import Loaded
from grid_transformers.probing import stack_version

from grid.cells.cell import Options
from grid.errors import EngineError, GridError, InputError, OutOfMemory, Unsupported
from grid.models.checkpoint.files import read_config
from grid.models.checkpoint.quantization import Quantization, read_quantization
from grid_gptqmodel import kernels
from grid_gptqmodel.complete import check_complete
from grid_gptqmodel.library import library, silent


@contextmanager
def load(method: str, path: Path, device: str, options: Options) -> Iterator[HfEngine]:
    """Load a model folder; leaving gives its memory back.

    `device` is `cpu`, `cuda` or `cuda:1`. Raises OutOfMemory, Unsupported or EngineError.
    """
    from grid_transformers.loading import chosen_device

    place = chosen_device(device, options)
    with _reading():
        config = read_config(path)
        quantization = read_quantization(path, config)
    if quantization is not None and quantization.format != method:
        raise Unsupported(
            f"{path.name} is {quantization.quant}; {method} runs {method} and 16-bit weights"
        )

    def make() -> Loaded:
        model, said = (
            _plain(path, place, options)
            if quantization is None
            else _quantized(path, place, options, quantization, _sym(config))
        )
        return Loaded(model, _version(), {**describe(model, options), **said})

    with running(path, place, options, make) as engine:
        yield engine


@contextmanager
def _reading() -> Iterator[None]:
    """A folder that is wrong when an engine loads it is the engine's error, told in one line."""
    try:
        yield
    except InputError as error:
        raise Unsupported(str(error)) from error


def _sym(config: Any) -> bool:
    said = config.get("quantization_config") or {}
    return bool(said.get("sym", True))


def _version() -> str:
    from importlib.metadata import version

    return f"gptqmodel {version('gptqmodel')}, {stack_version()}"


def _plain(path: Path, device: str, options: Options) -> tuple[Any, dict[str, str]]:
    from grid_transformers.loading import from_folder

    model = from_folder(
        path, device, str(options["dtype"]), str(options["attention"]), int(options["threads"])
    )
    dtype = str(model.dtype).removeprefix("torch.")
    return model, {"kernel": "Linear", "activations": f"stay at {dtype}", "weights": dtype}


def _quantized(
    path: Path, device: str, options: Options, quantization: Quantization, sym: bool
) -> tuple[Any, dict[str, str]]:
    from grid_transformers.loading import check_device, compute_type, quiet

    kernel = kernels.choose(quantization, str(options["kernel"]), device, sym)
    quiet()
    with loading(path.name):
        import torch

        torch.set_num_threads(max(1, int(options["threads"])))
        check_device(torch, device)
    dtype = compute_type(torch, path, device, str(options["dtype"]))
    with _failures(path.name, str(options["kernel"])), _as_written(torch, device):
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
    with silent():
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
    from grid_transformers.loading import compute_type

    stored = compute_type(torch, path, device, "checkpoint")
    return torch.bfloat16 if stored == torch.bfloat16 else torch.float16


def _as_written(torch: Any, device: str) -> AbstractContextManager[Any]:
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


@contextmanager
def _failures(what: str, kernel: str) -> Iterator[None]:
    """GPTQModel raises what it likes; a kernel that does not fit is unsupported."""
    try:
        yield
    except GridError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise OutOfMemory(f"{what}: out of memory ({first_line(error)})") from error
        kinds = ImportError | ValueError | NotImplementedError | KeyError | TypeError
        line = f"{what} does not load with kernel {kernel}: {first_line(error)}"
        if isinstance(error, kinds):
            raise Unsupported(line) from error
        raise EngineError(line) from error
