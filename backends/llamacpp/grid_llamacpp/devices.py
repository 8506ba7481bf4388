"""Which cards share a model: llama.cpp's split mode, shares and main card."""

from __future__ import annotations

import ctypes
from typing import Any

from grid.backend import InputError, Options, Unsupported
from grid_llamacpp.library import Library

SPLIT_MODES: dict[str, int] = {"none": 0, "layer": 1, "row": 2}
"""One card; whole layers on each, llama.cpp's own; the rows of matrices on each."""

CARD_OPTIONS = ("split_mode", "tensor_split", "main_gpu")
"""Options that mean nothing without an accelerator."""


def parse_shares(name: str, value: Any) -> str:
    """Check of the option `tensor_split`: a share for each card, `3,1`."""
    try:
        shares = [float(part) for part in value.split(",")] if isinstance(value, str) else []
    except ValueError:
        shares = []
    if not shares or min(shares) < 0 or not 0 < sum(shares) < float("inf"):
        raise InputError(
            f"option {name} = {value!r}: write a share for each card, such as '3,1', as "
            "llama-server's -ts"
        )
    return str(value)


def place_on_cards(library: Library, parameters: Any, options: Options) -> Any:
    """Set the parameters of a model by the options; returns what must outlive the model's loading.

    Raises Unsupported where this build of llama.cpp uses no card, or not so many.
    """
    named = [name for name in CARD_OPTIONS if name in options]
    if not named:
        return None
    if not library.api.llama_supports_gpu_offload():
        raise Unsupported(
            f"{named[0]} is for accelerators, and this build of llama.cpp uses none; leave it out, "
            "or install a build for your card"
        )
    parameters.main_gpu = int(options.get("main_gpu", parameters.main_gpu))
    if "split_mode" in options:
        parameters.split_mode = SPLIT_MODES[str(options["split_mode"])]
    if "tensor_split" not in options:
        return None
    most = int(library.api.llama_max_devices())
    shares = [float(part) for part in str(options["tensor_split"]).split(",")]
    if len(shares) > most:
        raise Unsupported(f"tensor_split has {len(shares)} shares; this llama.cpp takes {most}")
    native = (ctypes.c_float * most)(*shares)
    parameters.tensor_split = ctypes.cast(native, ctypes.POINTER(ctypes.c_float))
    return native
