"""Simulated answers whose items come in groups, with a truth that is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv, ndtr

CHANCE = 0.25


@dataclass(frozen=True)
class Design:
    """`groups` of about `size` items (geometric: few are large) that correlate by `correlation`."""

    groups: int
    correlation: float
    size: float = 6.0


@dataclass(frozen=True)
class Answers:
    """Scores of variants [variants, n] and the groups of the items [n]."""

    scores: np.ndarray
    codes: np.ndarray

    @property
    def gains(self) -> np.ndarray:
        return (self.scores - CHANCE) / (1 - CHANCE)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"g{code:03}" for code in self.codes)


def simulate(
    rng: np.random.Generator,
    design: Design,
    abilities: tuple[float, ...],
    own: float = 0.1,
    alike: float = 0.95,
) -> Answers:
    """0/1 answers. A group's share of right answers is beta-binomial about the ability; those of
    two variants correlate by `alike`; a share `own` of items each variant answers by itself."""
    sizes = rng.geometric(1 / design.size, design.groups)
    codes = np.repeat(np.arange(design.groups), sizes)
    right = CHANCE + (1 - CHANCE) * np.array(abilities)
    shares = np.repeat(right[:, None], design.groups, axis=1)
    if design.correlation:
        shares = _group_shares(rng, design, right, alike)
    luck = rng.random(len(codes))
    mine = [np.where(rng.random(len(codes)) < own, rng.random(len(codes)), luck) for _ in abilities]
    return Answers((np.array(mine) < shares[:, codes]).astype(float), codes)


def _group_shares(
    rng: np.random.Generator, design: Design, right: np.ndarray, alike: float
) -> np.ndarray:
    """Beta-distributed shares of right answers [variants, groups]."""
    strength = (1 - design.correlation) / design.correlation
    first, second = right[:, None] * strength, (1 - right[:, None]) * strength
    if len(right) == 1:
        return rng.beta(first, second, (1, design.groups))
    common = rng.standard_normal(design.groups)
    apart = rng.standard_normal((len(right), design.groups))
    levels = ndtr(np.sqrt(alike) * common + np.sqrt(1 - alike) * apart)
    return betaincinv(first, second, levels)
