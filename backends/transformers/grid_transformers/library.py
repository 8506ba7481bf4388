"""torch and transformers, imported as they are wanted here: offline, quiet, on one device."""

from __future__ import annotations

import contextlib
import gc
import os
from typing import Any

from grid.backend import Unsupported
from grid.hardware.freed_memory import give_back_freed_memory


def prepare_process() -> None:
    """Before torch and transformers are imported: nothing is looked up on a hub, no bars are drawn,
    and threads that wait for others sleep soon. Left to spin, they take the time of whatever else
    the machine does, and an evaluation of a small model has been seen to take fifty times as long.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TRANSFORMERS_OFFLINE"] = "1"
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    # AQLM's kernel for CPUs adds to one vector from all its threads at once: with more than one its
    # results are wrong, by chance and by much (aqlm 1.1.7).
    os.environ["NUMBA_NUM_THREADS"] = "1"


def import_stack() -> None:
    """Import torch and transformers, where they are there."""
    prepare_process()
    with contextlib.suppress(ImportError, OSError):  # said again, in one line, by what loads
        import transformers.modeling_utils  # noqa: F401  (brings what loading a model imports)


def stack_version() -> str:
    """Versions as the imported packages say them, torch's with the kind of its build: what `probe`
    and a loaded engine both give."""
    import torch
    import transformers

    return f"transformers {transformers.__version__}, torch {torch.__version__}"


def silence_logs(transformers: Any) -> None:
    """Packages of quantized kinds raise the loudness of everybody's log."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


def check_device(torch: Any, device: str) -> None:
    """Raises Unsupported where torch has no such device."""
    kind, _, number = device.partition(":")
    if kind == "cpu":
        return
    if kind == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(number or 0) < count:
            return
        raise Unsupported(f"device {device}: torch {torch.__version__} sees {count} CUDA devices")
    if kind == "mps" and torch.backends.mps.is_available():
        return
    raise Unsupported(f"device {device}: torch {torch.__version__} has none of that kind here")


def release(device: str) -> None:
    """Give freed memory back to the device and to the system."""
    import torch

    gc.collect()  # before the device's cache is emptied: what it holds must be free
    kind = device.partition(":")[0]
    if kind == "cuda":
        torch.cuda.empty_cache()
    elif kind == "mps":
        torch.mps.empty_cache()
    give_back_freed_memory()
