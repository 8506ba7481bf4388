"""Names and sizes of models as llama.cpp's tools print them, in our terms."""

from __future__ import annotations

import re

from grid.units import GIB, KIB, MIB

_SIZES = {"small": "S", "medium": "M", "large": "L"}
_NAMES = {"ALL F32": "F32", "MXFP4 MOE": "MXFP4_MOE", "IQ3_S MIX": "IQ3_M"}
_NAME = re.compile(r"(?:I?Q\d\w*|TQ\d_\d|BF16|F16|F32|MXFP4\w*|NVFP4)", re.IGNORECASE)
_ENDING = re.compile(
    r"[-._](?:UD-)?(?:I?Q\d_[0-9A-Z]+(?:_[A-Z]+)?|TQ\d_\d|BF16|F16|FP16|F32|MXFP4(?:_MOE)?)$",
    re.IGNORECASE,
)
_SHARD = re.compile(r"-\d{5}-of-\d{5}$")
_TYPE = re.compile(r"(\S+) (\S+)(?: (.+))?")
_UNITS = {"KiB": KIB, "MiB": MIB, "GiB": GIB, "TiB": 1024 * GIB}
_COUNTS = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


def quant_of(printed: str) -> str | None:
    """`Q4_K - Medium` -> `Q4_K_M`, `mostly Q4_0` -> `Q4_0`, `IQ2_XS - 2.3125 bpw` -> `IQ2_XS`.

    None where it is no file type that llama.cpp prints.
    """
    name, _, words = printed.replace("(guessed)", "").removeprefix("mostly ").partition(" - ")
    name, size = name.strip().upper(), _SIZES.get(words.strip().lower().split(" ")[0])
    if name in _NAMES:
        return _NAMES[name]
    if not _NAME.fullmatch(name):
        return None
    if size is None or (name == "Q2_K" and size == "M"):  # llama.cpp calls its plain Q2_K medium
        return name
    return f"{name}_{size}"


def type_of(model_type: str) -> tuple[str, str, str | None]:
    """`llama 8B Q4_K - Medium` -> (`llama`, `8B`, `Q4_K_M`); the quant is None where unknown."""
    match = _TYPE.fullmatch(model_type.strip())
    if match is None:
        return model_type.strip(), "", None
    return match[1], match[2], quant_of(match[3] or "")


def quant_in(filename: str) -> str | None:
    """The quantization at the end of a file's name: `Llama-3.1-8B-Q4_K_M.gguf` -> `Q4_K_M`."""
    match = _ENDING.search(_SHARD.sub("", re.sub(r"(?i)\.gguf$", "", filename)))
    return match[0].lstrip("-._").upper().replace("FP16", "F16") if match else None


def bytes_of(printed: str) -> int | None:
    """`3.56 GiB` -> bytes, as exact as it is printed."""
    amount, _, unit = printed.strip().partition(" ")
    scale = _UNITS.get(unit)
    return None if scale is None or not _is_number(amount) else round(float(amount) * scale)


def parameters_of(printed: str) -> int | None:
    """`6.74 B` -> 6740000000."""
    amount, _, unit = printed.strip().partition(" ")
    scale = _COUNTS.get(unit)
    return None if scale is None or not _is_number(amount) else round(float(amount) * scale)


def bits_per_weight(size: float | None, parameters: float | None) -> float | None:
    """Bytes * 8 / elements."""
    return 8 * size / parameters if size and parameters else None


def _is_number(printed: str) -> bool:
    return re.fullmatch(r"\d{1,9}(\.\d{1,9})?", printed) is not None
