"""The axes on which variants are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from grid.analysis.answer_costs import (
    ENERGY_AXES,
    JOULES,
    NET_JOULES,
    RIGHT_ANSWER_AXES,
    SECONDS,
    lack_of_cost,
    right_answer_cost,
)
from grid.analysis.posterior import Posterior
from grid.analysis.text_draws import TEXT_AXES, lacks_text_uncertainty
from grid.analysis.variant import Variant
from grid.errors import InputError, did_you_mean
from grid.results.statistics import Interval
from grid.results.statistics.interval import Floats


@dataclass(frozen=True, slots=True)
class Axis:
    """A quantity of a variant; `exact` ones have no posterior."""

    name: str
    unit: str
    better: Literal["higher", "lower"]
    exact: bool
    title: str

    @property
    def counts_energy(self) -> bool:
        """True where only figures of one scope compare."""
        return self.name in ENERGY_AXES


AXES: dict[str, Axis] = {
    axis.name: axis
    for axis in (
        Axis("capability", "1", "higher", False, "capability"),
        Axis("kld_mean", "nat", "lower", False, "KLD from 16 bits"),
        Axis("perplexity", "1", "lower", False, "perplexity"),
        Axis("decode_tps", "token/s", "higher", False, "decode rate"),
        Axis("prefill_tps", "token/s", "higher", False, "prefill rate"),
        Axis("artifact_bytes", "B", "lower", True, "size"),
        Axis("peak_rss_bytes", "B", "lower", True, "peak memory"),
        Axis(SECONDS, "s", "lower", False, "seconds per right answer"),
        Axis("decode_j_per_token", "J/token", "lower", False, "energy per token"),
        Axis("decode_net_j_per_token", "J/token", "lower", False, "net energy per token"),
        Axis(JOULES, "J", "lower", False, "joules per right answer"),
        Axis(NET_JOULES, "J", "lower", False, "net joules per right answer"),
    )
}


def axis_of(name: str) -> Axis:
    """Raises InputError with the nearest name."""
    if name not in AXES:
        raise InputError(f"unknown axis {name!r}. {did_you_mean(name, AXES)}")
    return AXES[name]


def figure_on(variant: Variant, axis: Axis) -> Interval | None:
    """Value and 95 % interval in the axis's unit, without one where the figure is exact; None where
    there is none. A divergence that is not above its engine's noise floor is 0."""
    if axis.name == "kld_mean" and variant.matches_16_bits:
        return Interval(0.0)
    if axis.name == "artifact_bytes":  # 0 is an unknown size
        return Interval(float(variant.artifact_bytes)) if variant.artifact_bytes else None
    if axis.name in RIGHT_ANSWER_AXES:
        return right_answer_cost(variant, axis.name)
    figure: Interval | None = getattr(variant, axis.name)
    return figure


def estimate(variant: Variant, axis: Axis) -> float | None:
    """The measured value in the axis's unit, None where there is none."""
    figure = figure_on(variant, axis)
    return None if figure is None else figure.value


def lack_on(variant: Variant, axis: Axis) -> str:
    """What keeps a variant off an axis, in words; empty where nothing does."""
    if estimate(variant, axis) is not None:
        return ""
    why = ""
    if axis.name == "capability":
        why = f"no {', '.join(variant.missing)}" if variant.missing else ""
    elif axis.name in RIGHT_ANSWER_AXES:
        why = lack_of_cost(variant, axis.name)
    elif axis.counts_energy:
        why = variant.energy_lack
    return f"no {axis.title} ({why})" if why else f"no {axis.title}"


def goodness(posterior: Posterior, axis: Axis) -> Floats:
    """Draws in which more is better, NaN for unmeasured: [draws, variants], [1, variants] if exact.

    Rates, KLD and perplexity are on the log scale, lower-is-better quantities negated: order is all
    that matters.
    """
    if axis.name == "capability":
        return posterior.capability
    if axis.name in TEXT_AXES:
        return posterior.texts[axis.name]
    if axis.name in posterior.rates:
        return posterior.rates[axis.name]
    if axis.name in posterior.costs:
        return posterior.costs[axis.name]
    values = [estimate(variant, axis) for variant in posterior.variants]
    return np.array([[np.nan if value is None else -value for value in values]])


def informed_goodness(posterior: Posterior, axis: Axis) -> Floats:
    """The same, of capability with what a model's own ladder says: what choices are made by."""
    return posterior.informed if axis.name == "capability" else goodness(posterior, axis)


def lacks_uncertainty(variant: Variant, axis: Axis) -> bool:
    """True where it is not known how sure the variant's quality on an axis is."""
    if axis.name in TEXT_AXES:
        return lacks_text_uncertainty(variant, axis.name)
    return variant.lacks_uncertainty
