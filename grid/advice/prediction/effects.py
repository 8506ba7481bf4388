"""Effects and terms: what the time of a token is a product and a sum of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Effect:
    """One cause and its normal prior, in log units; `pooled` ones share an unknown scale; `weight`
    multiplies it, for trends."""

    name: str
    sd: float
    mean: float = 0.0
    pooled: bool = False
    weight: float = 1.0


@dataclass(frozen=True)
class Term:
    """One part of the time of one row: log of its known size, and the effects that multiply it."""

    offset: float
    effects: tuple[Effect, ...]
