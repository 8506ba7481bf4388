"""Limits that a user sets on a pick, and the probability that each variant meets them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from grid.analysis.figures import number
from grid.analysis.posterior import Posterior
from grid.analysis.variant import Variant
from grid.errors import InputError
from grid.results.statistics.classes import ABOVE_CHANCE
from grid.results.statistics.interval import Floats
from grid.units import format_bytes, format_seconds

REQUIRED_PROBABILITY = 0.9
"""A limit on an uncertain quantity counts as met where it holds with this probability."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Demands on a pick; None demands nothing.

    `min_share` is the least share of the 16-bit capability of the same model, 0 to 1.
    `max_peak_bytes` is of the peak that was measured; `max_memory_bytes` and `max_ttft_s` are of
    what weights, cache and the rest need at a context, and of the wait for the first token after a
    prompt, `min_context` of the longest context in tokens; the caller gives the draws of these
    (`ExtraDraws`).
    """

    name: str = "as good as the best"
    max_bytes: float | None = None
    max_peak_bytes: float | None = None
    min_decode_tps: float | None = None
    min_share: float | None = None
    max_memory_bytes: float | None = None
    max_ttft_s: float | None = None
    min_context: float | None = None

    def __post_init__(self) -> None:
        for field in LIMIT_KINDS:
            value = getattr(self, field)
            if value is not None and not (np.isfinite(value) and value > 0):
                raise InputError(f"limit {field} is {value:g}; give a number above 0")
        if self.min_share is not None and self.min_share > 1:
            raise InputError(
                f"limit min_share is {self.min_share:g}; give a share of the 16-bit capability, "
                "such as 0.95"
            )


@dataclass(frozen=True)
class LimitKind:
    """One kind of limit: its name in words and how its value is written."""

    title: str
    upper: bool
    text: Callable[[float], str]


LIMIT_KINDS: dict[str, LimitKind] = {
    "max_bytes": LimitKind("size", True, format_bytes),
    "max_peak_bytes": LimitKind("peak memory", True, format_bytes),
    "min_decode_tps": LimitKind("decode rate", False, lambda rate: f"{number(rate)} token/s"),
    "min_share": LimitKind(
        "share of 16-bit capability", False, lambda share: f"{number(100 * share)} %"
    ),
    "max_memory_bytes": LimitKind("memory", True, format_bytes),
    "max_ttft_s": LimitKind("time to first token", True, format_seconds),
    "min_context": LimitKind("context", False, lambda tokens: f"{tokens:.0f} tokens"),
}

ExtraDraws = Mapping[str, Floats]
"""Draws [draws, variants] by field of `Limits`, for what a posterior does not hold."""


def stated_limits(limits: Limits) -> dict[str, float]:
    """The limits that are set, by field."""
    return {name: value for name in LIMIT_KINDS if (value := getattr(limits, name)) is not None}


def limit_text(field: str, value: float) -> str:
    """A limit in words: `decode rate at least 20 token/s`."""
    kind = LIMIT_KINDS[field]
    return f"{kind.title} {'at most' if kind.upper else 'at least'} {kind.text(value)}"


def quantity_draws(
    posterior: Posterior, field: str, extra_draws: ExtraDraws | None = None
) -> Floats:
    """Draws of what a limit is about, in its unit: [draws, variants], NaN for unknown."""
    shape = (posterior.draws, len(posterior.variants))
    if extra_draws and field in extra_draws:
        return np.broadcast_to(extra_draws[field], shape)
    if field == "max_bytes":
        # Imported rows may not say a size, which is then 0.
        return np.broadcast_to([v.artifact_bytes or np.nan for v in posterior.variants], shape)
    if field == "max_peak_bytes":
        peaks = [v.peak_rss_bytes.value if v.peak_rss_bytes else np.nan for v in posterior.variants]
        return np.broadcast_to(peaks, shape)
    if field == "min_decode_tps":
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(posterior.rates["decode_tps"]))
    if field == "min_share":
        return _shares(posterior)
    raise ValueError(f"no draws for the limit {field}")


def _shares(posterior: Posterior) -> Floats:
    """Capability over that of the same model at 16 bits, paired in each draw; NaN without one or
    where that is less than 2 SE above chance. A draw with the 16-bit model below chance gives 0."""
    shares = np.full(posterior.capability.shape, np.nan)
    for i, variant in enumerate(posterior.variants):
        whole = sixteen_bit_of(posterior.variants, variant)
        if whole is not None and _above_chance(whole):
            base = posterior.capability[:, posterior.index[whole.id]]
            above = base > 0
            shares[:, i] = np.where(above, posterior.capability[:, i] / np.where(above, base, 1), 0)
    return shares


def _above_chance(whole: Variant) -> bool:
    capability = whole.capability
    return (
        capability is not None
        and capability.value > 0
        and capability.value >= ABOVE_CHANCE * (capability.sd or 0)
    )


def sixteen_bit_of(variants: Sequence[Variant], variant: Variant) -> Variant | None:
    """The 16-bit variant of the same model; of the same backend and options if there is one."""
    whole = [v for v in variants if v.sixteen_bit and v.model == variant.model]
    near = sorted(
        whole,
        key=lambda v: (v.backend != variant.backend, v.options != variant.options, v.id),
    )
    return near[0] if near else None


def probability_met(draws: Floats, limit: float, upper: bool) -> Floats:
    """Share of the draws within the limit, per variant; NaN where the quantity is unknown."""
    met = (draws <= limit) if upper else (draws >= limit * (1 - 1e-12))
    return np.where(np.isnan(draws).all(axis=0), np.nan, met.mean(axis=0))


def tightest_limits(draws: Floats, upper: bool) -> Floats:
    """The tightest limit that each variant meets with probability `SURE`; NaN for unknown."""
    # An order statistic, not interpolated: that could promise a little too much.
    count = math.ceil(REQUIRED_PROBABILITY * len(draws))
    rank = count - 1 if upper else len(draws) - count
    reach = np.sort(draws, axis=0)[rank]
    return np.where(np.isnan(draws).any(axis=0), np.nan, reach)


def typical_limits(variants: Sequence[Variant], axis: str = "capability") -> list[Limits]:
    """A few demands that make sense for the data at hand.

    Sizes are relative to the largest 16-bit artifact (or the largest of all), the decode rate to
    the fastest; limits on something unmeasured are left out, and a share of capability where the
    variants are ranked on another `axis`.
    """
    if not variants:
        return []
    sized = [v for v in variants if v.artifact_bytes]  # imported rows may lack a size
    whole = [v.artifact_bytes for v in sized if v.sixteen_bit]
    largest = max(whole or [v.artifact_bytes for v in sized], default=0)
    demands = [Limits()]
    for part, words in ((2, "half"), (4, "a quarter"), (8, "an eighth")):
        size = largest // part
        if size and any(v.artifact_bytes <= size for v in sized):
            of_what = "16 bits" if whole else "the largest"
            name = f"at most {format_bytes(size)} ({words} of {of_what})"
            demands.append(Limits(name=name, max_bytes=size))
    rates = [v.decode_tps.value for v in variants if v.decode_tps is not None]
    if rates:
        rate = float(f"{max(rates) / 2:.2g}")
        name = f"at least {rate:,g} token/s (half of the fastest)"
        demands.append(Limits(name=name, min_decode_tps=rate))
    if whole and axis == "capability":
        name = f"at most {format_bytes(largest // 2)}, 95 % as capable as 16 bits"
        demands.append(replace(Limits(max_bytes=largest // 2, min_share=0.95), name=name))
    return demands
