"""The axes on which variants are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from grid.analysis.posterior import Posterior
from grid.analysis.text_draws import TEXT_AXES, lacks_text_uncertainty
from grid.analysis.variant import Variant
from grid.errors import InputError, did_you_mean
from grid.results.statistics.interval import Floats


@dataclass(frozen=True, slots=True)
class Axis:
    """A quantity of a variant; `exact` ones have no posterior."""

    name: str
    unit: str
    better: Literal["higher", "lower"]
    exact: bool
    title: str


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
        Axis("decode_j_per_token", "J/token", "lower", True, "energy per token"),
    )
}


def axis_of(name: str) -> Axis:
    """Raises InputError with the nearest name."""
    if name not in AXES:
        raise InputError(f"unknown axis {name!r}. {did_you_mean(name, AXES)}")
    return AXES[name]


def estimate(variant: Variant, axis: Axis) -> float | None:
    """The measured value in the axis's unit, None where there is none. A divergence that is not
    above its engine's noise floor is 0."""
    match axis.name:
        case "kld_mean" if variant.matches_16_bits:
            return 0.0
        case "kld_mean" | "perplexity":
            figure = getattr(variant, axis.name)
        case "artifact_bytes":
            return float(variant.artifact_bytes) or None  # 0 is an unknown size
        case "capability":
            figure = variant.capability
        case "decode_tps":
            figure = variant.decode_tps
        case "prefill_tps":
            figure = variant.prefill_tps
        case "decode_j_per_token":
            figure = variant.decode_j_per_token
        case _:
            figure = variant.peak_rss_bytes
    return None if figure is None else figure.value


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
