"""vLLM imported as it is wanted here: in this process, quiet, offline, on one device."""

from __future__ import annotations

import contextlib
import os
from functools import cache

from grid.backend import EngineError, Options, Unsupported

_FIXED = {
    # The engine's memory, death and clock are to be this process's own.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
    # A prompt as long as the model's context still samples the token after it.
    "VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1",
    # Its default on AMX quantizes activations to 8 bits for 4-bit weights.
    "VLLM_CPU_INT4_W4A8": "0",
    # What is to be loaded lies here; nothing is asked of a hub.
    "HF_HUB_OFFLINE": "1",
}


def prepare(device: str, options: Options) -> None:
    """Set the environment of this process, which is the engine's own, before vLLM is imported."""
    os.environ.update(_FIXED)
    # vLLM keeps torch at one thread unless this is set.
    os.environ["OMP_NUM_THREADS"] = str(options["threads"])
    if options["eager"]:
        # Small functions outside the model are compiled at their first use otherwise.
        os.environ["TORCHDYNAMO_DISABLE"] = "1"
    _choose_device(device)
    import torch

    # vLLM replaces it in the process at the first load, by one that does nothing.
    torch.set_num_threads = torch._C.set_num_threads
    torch.set_num_threads(int(options["threads"]))


def _choose_device(device: str) -> None:
    kind, _, number = device.partition(":")
    if kind == "cpu" or not number.isdigit():
        return
    visible = _visible_devices()
    if visible and int(number) >= len(visible):
        raise EngineError(f"device {device}: only {len(visible)} devices are visible")
    os.environ["CUDA_VISIBLE_DEVICES"] = visible[int(number)] if visible else number


@cache
def _visible_devices() -> tuple[str, ...]:
    """Devices that the process was given: what is narrowed to one stays that one when it is
    prepared again."""
    return tuple(
        number for number in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if number
    )


def check_device(device: str, built_for: str, options: Options) -> None:
    """Raises Unsupported where this build of vLLM computes on another kind of device, or where the
    options are those of an accelerator and the device is none."""
    kind = device.partition(":")[0]
    if kind == "cpu" and options["device"] != "cpu":
        raise Unsupported("the options ask for an accelerator, the node gave the CPU")
    if kind != built_for:
        raise Unsupported(
            f"this build of vLLM computes on {built_for}, not on {kind}; the other is an "
            "environment of its own"
        )


def import_stack(device: str, options: Options) -> None:
    """Import vLLM, where it is there; its settings are read from the environment at that time."""
    with contextlib.suppress(ImportError, OSError):  # said again, in one line, by what loads
        prepare(device, options)
        from vllm import LLMEngine  # noqa: F401
