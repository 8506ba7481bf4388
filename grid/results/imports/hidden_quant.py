"""The quantization of a checkpoint that carries it in its own config: the report's data type is
then only what is computed in, and never the quant."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from grid.models.names import method_in
from grid.results.imports.cleaning import clean
from grid.results.imports.values import text

_WORDS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), name)
    for pattern, name in (
        (r"\bvptq\b", "vptq"), (r"\baqlm\b", "aqlm"), (r"\bspqr\b", "spqr"),
        (r"\beetq\b", "eetq-int8"), (r"\bhiggs\b", "higgs"), (r"\bquanto\b", "quanto"),
        (r"\bquip", "quip"), (r"\bhqq", "hqq"), (r"\bfbgemm", "fbgemm-fp8"),
        (r"bitnet|\b1 58", "bitnet-1.58bit"), (r"\bgpt ?oss\b", "MXFP4"),
        (r"\bspinquant\b", "spinquant"), (r"\bautoround\b|\bauto round\b", "autoround"),
        (r"\bexl3\b", "exl3"), (r"\bsmoothquant\b", "smoothquant"),
        (r"\bquantized\b|\bint[348]\b|\b[248] ?bits?\b", "quantized, by its name"),
    )
)  # fmt: skip
"""Methods by words of a repository's name that `method_in` does not take for a method."""

_VPTQ = re.compile(r"\bv(\d{1,3})-k(\d{1,7})-(\d{1,7})", re.IGNORECASE)
_WHOLE = re.compile(r"[-_.](?:bf16|fp?16|fp?32)(?![a-z0-9])", re.IGNORECASE)
"""Weights that were converted back to 16 bits: `gpt-oss-20b-BF16`."""

_SEPARATED = re.compile(r"[-_./]+")

_NAMED = frozenset({"bits", "nbits", "quant_type", "quant_method", "load_in_4bit", "load_in_8bit"})
"""Fields of a quantization's config that its name says."""


def quant_in_path(path: str) -> str:
    """The quantization that the path or repository of a checkpoint names, `aqlm-2bit`; empty where
    it names none."""
    vptq = _VPTQ.search(path)
    if vptq is not None:
        bits = _codebook_bits(*map(int, vptq.groups()))
        return f"vptq-{bits:.3g}bit" if bits else "vptq"
    name = path.rstrip("/").rsplit("/", 1)[-1]
    if method_in(name):
        return method_in(name)
    if _WHOLE.search(name):
        return ""
    words = _SEPARATED.sub(" ", path)
    return next((quant for pattern, quant in _WORDS if pattern.search(words)), "")


def quant_in_config(scheme: str, about: Mapping[str, Any]) -> str:
    """The quantization of a scheme (`gptq`, `torchao`, empty) and its config: with its bits, else
    with its type: torchao's `int4_weight_only` and `int8_weight_only` are two quants."""
    method = scheme or text(about, "quant_method")
    if not method:
        return ""
    bits, variety = text(about, "bits") or text(about, "nbits"), text(about, "quant_type")
    for flag, width in (("load_in_4bit", "4"), ("load_in_8bit", "8")):
        if about.get(flag) in (True, 1, "true", "True"):
            bits = width
    variety = variety or text(about, "weights") or text(about, "weights_dtype")
    return f"{method}-{bits}bit" if bits else "-".join(filter(None, (method, variety)))


def config_options(about: Mapping[str, Any]) -> dict[str, str]:
    """What else a quantization's config says, as an option: two group sizes are two cells."""
    beside = {
        clean(str(name)): value
        for name, value in about.items()
        if name not in _NAMED and value not in (None, "", {}, [])
    }
    return {"quantization_config": clean(json.dumps(beside, sort_keys=True))} if beside else {}


def _codebook_bits(length: int, *centroids: int) -> float | None:
    """Bits a weight of vectors of a length with codebooks of so many centroids (0: none)."""
    if not length:
        return None
    return sum(math.log2(count) for count in centroids if count > 1) / length
