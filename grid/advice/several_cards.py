"""Several cards alike in one machine: what they hold together, and how fast a token is there.

Layers shared out among cards (llama.cpp's default, Transformers' device map) compute in turn: a
token takes as long as on one card that held everything, and a little for each hand-over. Matrices
shared out (vLLM's tensor parallel) are read by all cards at once, and the cards then wait for each
other in every layer: of what each further card could add, single requests lose a little (users'
reports: 0.86 times the rate of one A100 on two, for a mixture of experts) or gain a part (x1.16 to
x1.35 on two RTX 3090, x1.68 on two RTX 5060 Ti).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from grid.analysis.random_streams import stream_of
from grid.hardware.chips import Chip
from grid.results.statistics.interval import Floats
from grid.units import MIB

CARD_OVERHEAD = 512 * MIB
"""What each further card keeps for its own context and compute buffers."""

TENSOR_PARALLEL = frozenset({"vllm"})
"""Backends that share out matrices, not layers."""

_HAND_OVER = (0.0, 0.05)
"""Least and greatest share of a token's time that each further card adds with layers shared out."""
_GAIN = (-0.15, 0.9)
"""The same of what each further card could gain with matrices shared out."""
_SEED = 17


def further_cards_bytes(chip: Chip | None) -> int:
    """Bytes that cards beyond the first keep for themselves."""
    return 0 if chip is None else (chip.count - 1) * CARD_OVERHEAD


def split_factor(chip: Chip | None, engine: str, draws: int) -> Floats:
    """Rate on all cards over that of one card which held the whole model, draws [n]."""
    further = 0 if chip is None else chip.count - 1
    if not further:
        return np.ones(draws)
    parallel = engine in TENSOR_PARALLEL
    low, high = _GAIN if parallel else _HAND_OVER
    rng = np.random.default_rng(stream_of(_SEED, "cards", engine))
    share = rng.uniform(low, high, draws)
    return 1.0 + further * share if parallel else 1.0 / (1.0 + further * share)


def cards_notes(chip: Chip | None) -> tuple[str, ...]:
    """How several cards share a model, in a sentence; none for one."""
    further = 0 if chip is None else chip.count - 1
    if chip is None or not further:
        return ()
    low, high = (1 + further * gain for gain in _GAIN)
    return (
        f"{chip.count} cards: their memory adds up, less {CARD_OVERHEAD // MIB} MiB for each "
        "further one. Layers are shared out (llama.cpp, Transformers): a token is as fast as on "
        "one card. "
        f"vLLM shares out matrices (--tensor-parallel-size {chip.count}, where the attention heads "
        f"divide by it): x{low:.2g} to x{high:.2g}, predicted",
    )


def one_card(chip: Chip) -> Chip:
    """A card of several alike, under the name that rates are known by."""
    if chip.count == 1:
        return chip
    memory = None if chip.memory_bytes is None else chip.memory_bytes // chip.count
    name = chip.name.removeprefix(f"{chip.count}x ")
    return replace(chip, name=name, count=1, memory_bytes=memory)
