"""How surely the variants of one hardware class meet stated limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grid.analysis.limits import (
    LIMIT_KINDS,
    REQUIRED_PROBABILITY,
    ExtraDraws,
    Limits,
    probability_met,
    quantity_draws,
    stated_limits,
)
from grid.analysis.posterior import Posterior
from grid.analysis.quality_order import QualityOrder
from grid.results.statistics.interval import Floats

Mask = npt.NDArray[np.bool_]
"""Of variants: [variants]."""


@dataclass(frozen=True)
class LimitCheck:
    """Limits on a posterior, by field of `Limits`: the stated `bounds`, the `draws` of what they
    are about [draws, variants], and the `chances` that each variant meets them [variants], NaN for
    unknown. `order` is that of quality. Methods take a variant's index in the posterior."""

    order: QualityOrder
    bounds: Mapping[str, float]
    draws: Mapping[str, Floats]
    chances: Mapping[str, Floats]

    @property
    def posterior(self) -> Posterior:
        return self.order.posterior

    def admitted(self, except_for: str = "") -> Mask:
        """Measured variants that surely meet every limit, but for one that is named."""
        met = self.order.measured.copy()
        for field, chance in self.chances.items():
            if field != except_for:
                met &= np.nan_to_num(chance, nan=0.0) >= REQUIRED_PROBABILITY
        return met

    def failing(self, i: int) -> list[str]:
        """The limits that a variant does not surely meet; unknown ones are not among them."""
        return [field for field in self.bounds if self.chances[field][i] < REQUIRED_PROBABILITY]

    def unknown(self, i: int) -> list[str]:
        """The limits on something that is not known of a variant."""
        return [field for field, chance in self.chances.items() if np.isnan(chance[i])]

    def rank(self, i: int) -> tuple[float, float, str]:
        """Smaller first, then faster, by a predicted rate where none was measured; the id keeps the
        choice from depending on the order of rows."""
        variant = self.posterior.variants[i]
        rate = variant.decode_tps.value if variant.decode_tps else 0.0
        if not rate:
            log = float(np.median(self.posterior.rates["decode_tps"][:, i]))
            rate = 0.0 if np.isnan(log) else float(np.exp(log))
        return variant.artifact_bytes or float("inf"), -rate, variant.id


def check_limits(order: QualityOrder, limits: Limits, extra_draws: ExtraDraws) -> LimitCheck:
    """The check of the limits that are set; `extra_draws` as in `picks`."""
    posterior = order.posterior
    bounds = stated_limits(limits)
    draws = {field: quantity_draws(posterior, field, extra_draws) for field in bounds}
    chances = {
        field: probability_met(draws[field], bound, LIMIT_KINDS[field].upper)
        for field, bound in bounds.items()
    }
    return LimitCheck(order, bounds, draws, chances)
