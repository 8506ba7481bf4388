"""Families of quantization, within which more bits do not hurt."""

from __future__ import annotations

import re

from grid.analysis.noise_floors import SIXTEEN_BIT
from grid.analysis.variant import Variant


def quant_family(variant: Variant) -> str:
    """The kind of quantization: "16 bits", K-quants, I-quants, ggml's legacy blocks, or the
    format's name (awq, gptq, ...)."""
    name = variant.quant.upper()
    if name in SIXTEEN_BIT:
        return "16 bits"
    if re.match(r"I?Q\d+_K", name):
        return "K-quant"
    if re.match(r"(IQ|TQ)\d", name):
        return "I-quant"
    if re.match(r"Q\d_[01]", name):
        return "legacy"
    return variant.format
