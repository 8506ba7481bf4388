"""Quant types as the prediction sees them: how many bits a weight has, and what unpacks it."""

from __future__ import annotations

import re

SIXTEEN, LEGACY, K_HIGH, K_LOW, I_HIGH, I_LOW, GROUPED = (
    "16-bit",
    "8/5/4-bit blocks",
    "K-quants of 4 to 6 bits",
    "K-quants of 2 and 3 bits",
    "IQ quants of 4 bits",
    "IQ quants of 1 to 3 bits",
    "groups with a scale",
)
WHOLE = frozenset({"f16", "bf16", "f32", "fp16", "fp32", "float16", "bfloat16", "float32"})

_BITS = {
    "f32": 32.0, "fp32": 32.0, "float32": 32.0,
    "q8_0": 8.5, "q6_k": 6.56, "q5_0": 5.5, "q5_1": 6.0, "q5_k": 5.67, "q5_k_s": 5.5,
    "q5_k_m": 5.7, "q4_0": 4.55, "q4_1": 5.05, "q4_k": 4.85, "q4_k_s": 4.6, "q4_k_m": 4.87,
    "q3_k": 3.9, "q3_k_s": 3.5, "q3_k_m": 3.9, "q3_k_l": 4.25, "q2_k": 3.0, "q2_k_s": 2.8,
    "iq4_nl": 4.6, "iq4_xs": 4.4, "iq3_m": 3.7, "iq3_s": 3.55, "iq3_xs": 3.4, "iq3_xxs": 3.15,
    "iq2_m": 2.8, "iq2_s": 2.6, "iq2_xs": 2.45, "iq2_xxs": 2.2, "iq1_m": 2.0, "iq1_s": 1.8,
}  # fmt: skip
_GROUP_SCALE_BITS = 0.5
"""A 16-bit scale and offset for each 64 weights."""


_LARGE = re.compile(r"_x?l$")
_LARGE_BITS = 0.1
"""What the large mixes of a K-quant have beyond the middle one: embeddings and head in 8 bits."""
_SMALL_GROUP_BITS = 0.5
"""What groups of 32 have beyond those of 64."""


def family(quant: str) -> str:
    """The kind of unpacking a quant type takes: a group that shares an effect in the model."""
    name = _plain(quant)
    if name in WHOLE:
        return SIXTEEN
    if re.match(r"iq\d", name):
        return I_HIGH if name.startswith("iq4") else I_LOW
    if re.match(r"q\d_k", name):
        return K_LOW if name[1] in "23" else K_HIGH
    if re.match(r"q\d_\d", name):
        return LEGACY
    return GROUPED


def bits(quant: str) -> float:
    """Bits per weight of a typical file in this type; 16 for whole weights.

    The digit in the name plus a scale's share where the type is not one of llama.cpp's.
    """
    name = _plain(quant)
    if name in _BITS:
        return _BITS[name]
    middle = _LARGE.sub("_m", name)
    if middle != name and (near := _BITS.get(middle, _BITS.get(middle[:-2]))) is not None:
        return near + _LARGE_BITS
    if family(name) == SIXTEEN:
        return 16.0
    digit = re.search(r"[1-8]", name)
    small = _SMALL_GROUP_BITS if name.endswith("g32") else 0.0
    return (int(digit[0]) if digit else 4) + _GROUP_SCALE_BITS + small


def _plain(quant: str) -> str:
    """The type's name in small letters, without what says who mixed it (`UD-Q4_K_XL`)."""
    return quant.lower().removeprefix("ud-")
