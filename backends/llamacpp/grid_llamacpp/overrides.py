"""Which buffer each tensor is loaded into: llama.cpp's overrides by patterns of names.

`cpu_expert_layers` is llama-server's --n-cpu-moe, `tensor_overrides` its --override-tensor.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from grid.backend import InputError, Options, Unsupported
from grid_llamacpp.library import Library

CPU = "CPU"
_EXPERTS = r"blk\.{layer}\.ffn_(up|down|gate|gate_up)_(ch|)exps"
"""Stacked experts of one layer, as --n-cpu-moe names them."""
_APPLIED = "buffer type overridden to"


class TensorOverride(NamedTuple):
    """Tensors whose names the regular expression is in, and the type of buffer they go to."""

    pattern: str
    buffer: str


class _Native(ctypes.Structure):
    """llama_model_tensor_buft_override; the last of a list is empty."""

    _fields_ = (("pattern", ctypes.c_char_p), ("buffer_type", ctypes.c_void_p))


def parse_overrides(name: str, value: Any) -> str:
    """Check of the option `tensor_overrides`: `PATTERN=BUFFER`, more of them behind commas."""
    if not isinstance(value, str):
        raise InputError(f"option {name} = {value!r}: write PATTERN=CPU, as llama-server's -ot")
    for part in filter(None, value.split(",")):
        pattern, equals, buffer = part.rpartition("=")
        if not (equals and pattern and buffer):
            raise InputError(
                f"option {name}: {part!r} is no override; write PATTERN=CPU, such as "
                "'ffn_down_exps=CPU'"
            )
        try:
            re.compile(pattern)
        except re.error as error:
            raise InputError(
                f"option {name}: {pattern!r} is no regular expression ({error})"
            ) from error
    return value


def overrides_of(options: Options) -> tuple[TensorOverride, ...]:
    """What the options ask for; the first pattern that is in a name counts."""
    parts = str(options.get("tensor_overrides", "")).split(",")
    named = [part.rpartition("=") for part in parts if part]
    layers = range(int(options.get("cpu_expert_layers", 0)))
    return (
        *(TensorOverride(pattern, buffer) for pattern, _, buffer in named),
        *(TensorOverride(_EXPERTS.format(layer=layer), CPU) for layer in layers),
    )


def native_overrides(library: Library, overrides: Sequence[TensorOverride]) -> Any:
    """The list as llama.cpp takes it, which must outlive the model; None without overrides.

    Raises InputError for a type of buffer that this build has not, Unsupported for too many.
    """
    if not overrides:
        return None
    most = int(library.api.llama_max_tensor_buft_overrides()) - 1
    if len(overrides) > most:
        raise Unsupported(
            f"{len(overrides)} tensor overrides; this build of llama.cpp takes {most}"
        )
    types = _buffer_types(library.cdll)
    entries = (_Native * (len(overrides) + 1))()
    for entry, override in zip(entries, overrides, strict=False):
        if override.buffer not in types:
            raise InputError(
                f"tensor_overrides: no buffer {override.buffer!r} here; "
                f"there are {', '.join(sorted(types))}"
            )
        entry.pattern, entry.buffer_type = override.pattern.encode(), types[override.buffer]
    return entries


def refuse_unused(overrides: Sequence[TensorOverride], lines: Sequence[str]) -> None:
    """Raise Unsupported where overrides were asked for and the log tells of no tensor they moved:
    the number would be that of a run without them."""
    if overrides and not any(_APPLIED in line for line in lines):
        what = ", ".join(dict.fromkeys(override.pattern for override in overrides[:2]))
        raise Unsupported(
            f"no tensor of this model is named {what}; leave out cpu_expert_layers and "
            "tensor_overrides for it"
        )


def _buffer_types(cdll: Any) -> Mapping[str, int]:
    """Types of buffers by name, of every device."""
    calls = {
        "ggml_backend_dev_get": (ctypes.c_void_p, [ctypes.c_size_t]),
        "ggml_backend_dev_buffer_type": (ctypes.c_void_p, [ctypes.c_void_p]),
        "ggml_backend_buft_name": (ctypes.c_char_p, [ctypes.c_void_p]),
        "ggml_backend_dev_count": (ctypes.c_size_t, []),
    }
    for name, (result, arguments) in calls.items():
        function = getattr(cdll, name)
        function.restype, function.argtypes = result, arguments
    devices = [cdll.ggml_backend_dev_get(i) for i in range(cdll.ggml_backend_dev_count())]
    types = [cdll.ggml_backend_dev_buffer_type(device) for device in devices]
    return {cdll.ggml_backend_buft_name(kind).decode(): kind for kind in types if kind}
