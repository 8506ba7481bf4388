"""Time to first token after a prompt: measured where that was, else worked out from rates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grid.analysis import Posterior, Variant
from grid.models.identity import digest
from grid.results.statistics.interval import Floats, z_quantile

NEAR = 1.25
"""A measured latency counts where its prompt is within this factor of the requested one."""


@dataclass(frozen=True)
class TimeToFirstToken:
    """Draws of the time in s [draws], None where nothing is known of it.

    `how` says what it is from; `by_rates` is True where it was worked out from rates.
    """

    draws: Floats | None
    how: str
    by_rates: bool = False


def times_to_first_token(
    posterior: Posterior, prompt: int, decode_rate_ratios: Sequence[float]
) -> list[TimeToFirstToken]:
    """For each variant the time to the first token after `prompt` tokens, from an empty context.

    Worked out as prompt / prefill rate + 1 / decode rate, each of the same draw; even a short
    prompt takes as long as one decoded token, since all weights are read for it.
    `decode_rate_ratios` are, by variant, its decode rate after the prompt over that of the
    posterior.
    """
    return [
        _time_to_first_token(posterior, i, prompt, ratio)
        for i, ratio in enumerate(decode_rate_ratios)
    ]


def _time_to_first_token(
    posterior: Posterior, i: int, prompt: int, decode_rate_ratio: float
) -> TimeToFirstToken:
    variant = posterior.variants[i]
    near = variant.latency_prompt
    if variant.ttft_s is not None and near and 1 / NEAR <= prompt / near <= NEAR:
        draws = _measured_draws(variant, posterior.draws)
        return TimeToFirstToken(draws, f"latency after {near} tokens")
    prefill, decode = (posterior.rates[name][:, i] for name in ("prefill_tps", "decode_tps"))
    if np.isnan(prefill).any() or np.isnan(decode).any():
        return TimeToFirstToken(None, "no prefill rate")
    step = np.exp(-decode) / decode_rate_ratio
    seconds = np.maximum(prompt * np.exp(-prefill), step) + step
    how = f"{prompt} tokens / prefill rate + 1 / decode rate"
    return TimeToFirstToken(seconds, how, by_rates=True)


def _measured_draws(variant: Variant, draws: int) -> Floats:
    """Draws of a measured latency: log-normal with its interval; exact without one."""
    latency = variant.ttft_s
    if latency is None or latency.low is None or latency.high is None or latency.low <= 0:
        return np.full(draws, np.nan if latency is None else latency.value)
    spread = math.log(latency.high / latency.low) / (2 * z_quantile())
    rng = np.random.default_rng([1, int(digest("ttft", variant.id), 16)])
    return np.asarray(latency.value * np.exp(spread * rng.standard_normal(draws)))
