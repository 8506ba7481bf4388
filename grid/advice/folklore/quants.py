"""What the name of a quant says: its bits, its kind, whether an importance matrix weighed it."""

from __future__ import annotations

import re

_WHOLE = {"F32": 32, "F16": 16, "BF16": 16}
_GGUF = re.compile(r"(?<![A-Z0-9])(?:IQ|TQ|Q)\d(?:_[A-Z0-9]+)*", re.IGNORECASE)
_BITS = (
    re.compile(r"(?<![a-z0-9])[it]?q(\d)", re.IGNORECASE),
    re.compile(r"-w(\d+)", re.IGNORECASE),
    re.compile(r"(\d+)[- ]?bit", re.IGNORECASE),
    re.compile(r"(?:intx?|nf|mxfp|nvfp|fp)(\d+)", re.IGNORECASE),
)
_GROUP = re.compile(r"w\d+g(\d+|col)", re.IGNORECASE)
_MATRIX = re.compile(r"imat|importance matrix|(?<![a-z0-9])i1-|\bWT \d+", re.IGNORECASE)


def preset_of(quant: str) -> str:
    """llama.cpp's name inside another: `i1-Q4_K_M` and `q4_K_M (imatrix)` are both `Q4_K_M`; a
    name without one is kept, in capitals."""
    match = _GGUF.search(quant)
    return (match[0] if match else quant).upper()


def nominal_bits(quant: str) -> int | None:
    """The bits of a weight that the name speaks of: 4 for `Q4_K_M`, `awq-w4g128`, `bnb-nf4`."""
    if quant.upper() in _WHOLE:
        return _WHOLE[quant.upper()]
    for pattern in _BITS:
        match = pattern.search(quant)
        if match:
            return int(match[1])
    return None


def has_matrix(quant: str) -> bool:
    """True where the name says that an importance matrix weighed the errors."""
    return bool(_MATRIX.search(quant))


def group_of(quant: str) -> str:
    """Weights that share a scale, as the name says it: `128` in `awq-w4g128`; empty without."""
    match = _GROUP.search(quant)
    return match[1].lower() if match else ""


def is_k_quant(quant: str) -> bool:
    return "_K" in preset_of(quant)


def is_legacy(quant: str) -> bool:
    """llama.cpp's first block formats below 8 bits: `Q4_0`, `Q4_1`, `Q5_0`, `Q5_1`."""
    return preset_of(quant) in ("Q4_0", "Q4_1", "Q5_0", "Q5_1")
