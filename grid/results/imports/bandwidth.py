"""Decode rates that no memory allows: each token reads all weights of a dense model once."""

from __future__ import annotations

import re
from functools import lru_cache

from grid.models.named_sizes import mixture_size, names_mixture
from grid.results.imports.record import ImportedWeights, Record
from grid.units import GIB

_DENSE = re.compile(
    r"llama|qwen2|qwen3|gemma\d?|phi[23]|mistral\d?|falcon|starcoder2?|stablelm|gptneox|mpt|bloom"
    r"|internlm2|command-r|cohere2|olmo2?|smollm3|granite|glm4|exaone|baichuan|orion|nemotron"
)
"""Architectures as llama.cpp names them whose token reads all layers, if no name says a mixture."""

_MARGIN = 1.5
"""For memory that is clocked higher, and embeddings that a token does not read."""

_LEAST_BYTES = 1 * GIB
"""Smaller weights may lie in a cache."""

_SLOWEST = 2e11
"""bytes/s; no need to look for the chip below it."""


def why_too_fast(record: Record) -> str | None:
    """Why the decode rate is above what memory allows; None where it is not, or where size of the
    weights or bandwidth of the chip is not known."""
    rate = next((f.value for f in record.figures if f.name == "decode_tps"), None)
    needed = bytes_per_token(record.weights)
    if rate is None or needed is None or rate * needed < _SLOWEST:
        return None
    if "rpc" in record.environment.get("backends", "").lower():
        return None  # several machines
    bandwidth = bandwidth_of(record.hardware)
    if bandwidth is None or rate * needed <= _MARGIN * bandwidth:
        return None
    return (
        f"decode_tps is {rate:.6g} token/s of {needed / 1e9:.3g} GB, which reads "
        f"{rate * needed / 1e9:,.0f} GB/s; {record.hardware} has {bandwidth / 1e9:,.0f}"
    )


def bytes_per_token(weights: ImportedWeights) -> float | None:
    """Bytes of weights that a token reads, 1 GiB or more; None where that is not sure."""
    if weights.bytes is None or weights.bytes < _LEAST_BYTES:
        return None
    size = mixture_size(weights.model, weights.family)
    if size is not None:
        needed = weights.bytes * size.active / size.total
        return needed if needed >= _LEAST_BYTES else None
    dense = _DENSE.fullmatch(weights.family) and not names_mixture(weights.model, weights.family)
    return float(weights.bytes) if dense else None


@lru_cache(maxsize=4096)
def bandwidth_of(hardware: str) -> float | None:
    """Bytes/s of all cards that a name lists; of the chips whose names have all its words (M1: M1
    Ultra too) that of the fastest. None where one is not known, or is a processor whose memory
    nobody says."""
    from grid.hardware.chips.find import possible_chips
    from grid.hardware.chips.match import search_chips

    total = 0.0
    for name in hardware.split(", "):
        chips = possible_chips(name)
        cards = [chip for chip in chips if chip.platform != "cpu"] and [
            chip for chip in (*chips, *search_chips(name)) if chip.platform != "cpu"
        ]
        if not cards:
            return None
        total += max(chip.bandwidth_bytes_s * chip.count for chip in cards)
    return total
