"""Quantizations that MLX makes without calibration."""

from __future__ import annotations

from typing import NamedTuple

from grid.backend import Recipe

FORMAT = "mlx"
BITS = (2, 3, 4, 6, 8)
GROUPS = (32, 64, 128)


class Scheme(NamedTuple):
    """How a row of weights is kept: `bits` each, in groups of `group` that share a scale.

    `mode` is MLX's name: `affine` keeps a scale and a bias of 16 bits a group, `mxfp4` an exponent
    of 8 bits.
    """

    bits: int
    group: int
    mode: str = "affine"

    @property
    def effective_bits(self) -> float:
        """Bits per weight with the group's scale and bias."""
        return self.bits + (8 if self.mode == "mxfp4" else 32) / self.group


SCHEMES: dict[str, Scheme] = {
    **{f"mlx-{bits}bit-g{group}": Scheme(bits, group) for bits in BITS for group in GROUPS},
    "mlx-mxfp4": Scheme(4, 32, "mxfp4"),
}

RECIPES: dict[str, Recipe] = {
    name: Recipe(name=name, bits=scheme.effective_bits, format=FORMAT)
    for name, scheme in SCHEMES.items()
}
