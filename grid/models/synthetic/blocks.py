"""Random weights in llama.cpp's storage types, written as blocks without quantizing anything.

Every block has random bits for its weights and fixed numbers for its scales, so that the weights
are finite, without a mean, and of the spread that is asked for. Layouts are those of ggml
(ggml-common.h): `d` and `m` are 16-bit floats that multiply and shift a block.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import shake_256
from typing import TYPE_CHECKING, Any, NamedTuple

from grid.models.gguf.ggml_types import TYPES_BY_NAME

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]

BLOCKS_OF_TILE = {1: 524_287, 32: 65_537, 64: 65_537, 128: 65_537, 256: 8191}
"""Blocks that are made and then repeated, by elements of a block: 1 or 2 MB. Prime numbers, so that
no two rows of a matrix begin at the same place until as many rows have passed."""

_UNIFORM_BYTE_SD = 73.9
"""Standard deviation of a random byte."""


class _Layout(NamedTuple):
    """Where the scales of a block are: `scale` and, of types that shift, `shift` are the bytes at
    which `d` and `m` begin. `spread` is the standard deviation of the weights at d = 1, `centre`
    is m / d at which their mean is zero."""

    spread: float
    scale: int
    shift: int | None = None
    centre: float = 0.0


_LAYOUTS: dict[str, _Layout] = {
    "q4_0": _Layout(4.64, 0),
    "q4_1": _Layout(4.61, 0, 2, -7.5),
    "q5_0": _Layout(9.25, 0),
    "q5_1": _Layout(9.23, 0, 2, -15.5),
    "q8_0": _Layout(73.9, 0),
    "q2_K": _Layout(13.9, 80, 82, 1.5),
    "q3_K": _Layout(43.3, 108),
    "q4_K": _Layout(258.0, 0, 2, 7.5),
    "q5_K": _Layout(528.0, 0, 2, 15.5),
    "q6_K": _Layout(1366.0, 208),
    "iq4_nl": _Layout(67.4, 0),
    "iq4_xs": _Layout(1241.0, 0),
    "iq3_s": _Layout(140.0, 0),
    "iq3_xxs": _Layout(142.0, 0),
    "iq2_s": _Layout(56.0, 0),
    "iq2_xs": _Layout(56.0, 0),
    "iq2_xxs": _Layout(53.0, 0),
    "iq1_s": _Layout(7.2, 0),
    "tq1_0": _Layout(0.82, 52),
    "tq2_0": _Layout(1.22, 64),
    "q1_0": _Layout(1.0, 0),
    "q2_0": _Layout(1.12, 0),
}


def can_make(kind: str) -> bool:
    """Whether weights of a type, by llama.cpp's name of it, are made here."""
    return kind in _LAYOUTS or kind in _SPECIAL


@cache
def tile(kind: str, exponent: int) -> bytes:
    """`BLOCKS_OF_TILE` blocks of a type; its weights have about the standard deviation
    2^-exponent. The same bytes on every machine: they come from SHAKE-256 and exact arithmetic.
    """
    import numpy as np

    ggml_type = TYPES_BY_NAME[kind]
    count = BLOCKS_OF_TILE[ggml_type.block]
    raw = shake_256(f"{kind} {exponent}".encode()).digest(count * ggml_type.bytes)
    blocks = np.frombuffer(raw, np.uint8).reshape(count, ggml_type.bytes).copy()
    if kind in _SPECIAL:
        blocks = _SPECIAL[kind](blocks, exponent)
    else:
        _set_scales(blocks, _LAYOUTS[kind], exponent)
    return blocks.tobytes()


def _set_scales(blocks: Bytes, layout: _Layout, exponent: int) -> None:
    """Fix `d` and `m`, negative in every second block on average: their weights then have no
    mean."""
    import numpy as np

    signs = 1.0 - 2.0 * (blocks[:, layout.scale] & 1)
    scales = signs * 2.0**-exponent / layout.spread
    blocks[:, layout.scale : layout.scale + 2] = _halves(scales)
    if layout.shift is not None:
        shifts = scales.astype(np.float16).astype(np.float64) * layout.centre
        blocks[:, layout.shift : layout.shift + 2] = _halves(shifts)


def _halves(numbers: npt.NDArray[np.floating[Any]]) -> Bytes:
    return numbers.astype("<f2").view("u1").reshape(-1, 2)


def _plain(blocks: Bytes, exponent: int, kind: str) -> Bytes:
    import numpy as np

    numbers = (blocks[:, 0].astype(np.float64) - 127.5) / _UNIFORM_BYTE_SD * 2.0**-exponent
    if kind != "bf16":
        return numbers.astype(kind).view("u1").reshape(len(blocks), -1)
    return numbers.astype("<f4").view("u1").reshape(-1, 4)[:, 2:].copy()


def _mxfp4(blocks: Bytes, exponent: int) -> Bytes:
    """The first byte is the exponent of 2, biased by 127; the weights' own spread is about 4."""
    blocks[:, 0] = 127 - exponent - 2
    return blocks


def _nvfp4(blocks: Bytes, exponent: int) -> Bytes:
    """Four scales first, each an 8-bit float with a bias of 7 and 3 bits of mantissa."""
    blocks[:, :4] = max(7 - exponent - 1, 1) << 3
    return blocks


def _iq1_m(blocks: Bytes, exponent: int) -> Bytes:
    """The four top half-bytes of the scales are `d`, lowest first."""
    import numpy as np

    d = int(np.float16(2.0**-exponent / 7.2).view(np.uint16))
    for index in range(4):
        top = blocks[:, 48 + 2 * index + 1]
        top &= 0x0F
        top |= (d >> 4 * index & 0x0F) << 4
    return blocks


_SPECIAL: dict[str, Callable[[Bytes, int], Bytes]] = {
    "f32": lambda blocks, exponent: _plain(blocks, exponent, "<f4"),
    "f16": lambda blocks, exponent: _plain(blocks, exponent, "<f2"),
    "bf16": lambda blocks, exponent: _plain(blocks, exponent, "bf16"),
    "mxfp4": _mxfp4,
    "nvfp4": _nvfp4,
    "iq1_m": _iq1_m,
}
