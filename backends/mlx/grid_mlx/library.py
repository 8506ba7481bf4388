"""The installed MLX: found, imported once it is needed, put on one device."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from grid.backend import EngineError, Unsupported, package_version
from grid_mlx.failures import one_line

PACKAGES = ("mlx", "mlx-lm")
_MODULES = ("mlx", "mlx_lm")
_RUNTIME = Path(__file__).with_name("runtime.txt")


def missing() -> list[str]:
    """Distributions that are not installed here; imports nothing."""
    pairs = zip(PACKAGES, _MODULES, strict=True)
    return [package for package, module in pairs if importlib.util.find_spec(module) is None]


def versions() -> str:
    """`mlx 0.32.4, mlx-lm 0.32.2`: as installed, else as pinned in runtime.txt."""
    return ", ".join(f"{package} {package_version(package, _RUNTIME)}" for package in PACKAGES)


def core() -> Any:
    """`mlx.core`. Raises EngineError where it is missing or does not load."""
    return _import("mlx.core")


def language_models() -> Any:
    """`mlx_lm.utils`, which loads and quantizes checkpoints. Raises EngineError likewise."""
    return _import("mlx_lm.utils")


def caches() -> Any:
    """`mlx_lm.models.cache`. Raises EngineError likewise."""
    return _import("mlx_lm.models.cache")


def array_bytes(model: Any) -> dict[str, tuple[str, int]]:
    """Name -> (type, bytes) of every array of a model; nothing is computed for it."""
    flat = _import("mlx.utils").tree_flatten(model.parameters())
    return {name: (type_name(array), int(array.nbytes)) for name, array in flat}


def type_name(array: Any) -> str:
    """`float16`, ... of an array of MLX."""
    return str(array.dtype).rpartition(".")[2]


def _import(module: str) -> Any:
    absent = missing()
    if absent:
        raise EngineError(f"{' and '.join(absent)} not installed in this environment")
    try:
        return importlib.import_module(module)
    except (ImportError, OSError, ValueError, RuntimeError) as error:
        raise EngineError(f"{versions()} does not load: {one_line(error)}") from error


def devices() -> tuple[str, ...]:
    """What MLX can compute on here."""
    return ("metal", "cpu") if core().metal.is_available() else ("cpu",)


def use_device(device: str) -> str:
    """Make `device` the one that computes: `cpu`, or Apple's GPU under `metal` or `gpu`, whose
    number may follow a colon. Returns `cpu` or `metal`. Raises Unsupported without that GPU."""
    mx, kind = core(), device.partition(":")[0]
    if kind == "cpu":
        mx.set_default_device(mx.cpu)
        return "cpu"
    if not mx.metal.is_available():
        raise Unsupported(f"device {device!r}: MLX runs on Apple's GPU or a CPU, here on the CPU")
    mx.set_default_device(mx.gpu)
    return "metal"


def kernels(device: str) -> str:
    """What multiplies here, for whoever reads a rate or a divergence."""
    if device == "metal":
        return "Metal kernels; weights are expanded in the kernel, activations keep their type"
    if sys.platform == "darwin":
        return "CPU kernels with Accelerate; activations keep their type"
    return (
        "CPU kernels of the Linux wheel with a portable BLAS on one thread: far slower than the "
        "chip, and quantized weights slowest in 16 bits; activations keep their type"
    )
