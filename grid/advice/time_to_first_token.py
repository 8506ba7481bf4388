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
"""A measured latency counts where its prompt is within this factor of the asked one."""


@dataclass(frozen=True)
class Wait:
    """Draws of the time in s [draws], None where nothing is known of it; `how` says whence,
    `by_rates` that it is worked out from rates."""

    draws: Floats | None
    how: str
    by_rates: bool = False


def waits(belief: Posterior, prompt: int, sooner: Sequence[float]) -> list[Wait]:
    """For each variant the wait for the first token after `prompt` tokens, from an empty context.

    Worked out as prompt / prefill rate + 1 / decode rate, each of the same draw; even a short
    prompt takes as long as one decoded token, since all weights are read for it. `sooner` are, by
    variant, its decode rate after the prompt over that of the belief.
    """
    return [_wait(belief, i, prompt, ratio) for i, ratio in enumerate(sooner)]


def _wait(belief: Posterior, i: int, prompt: int, sooner: float) -> Wait:
    variant = belief.variants[i]
    near = variant.latency_prompt
    if variant.ttft_s is not None and near and 1 / NEAR <= prompt / near <= NEAR:
        return Wait(_measured(variant, belief.draws), f"latency after {near} tokens")
    prefill, decode = (belief.rates[name][:, i] for name in ("prefill_tps", "decode_tps"))
    if np.isnan(prefill).any() or np.isnan(decode).any():
        return Wait(None, "no prefill rate")
    step = np.exp(-decode) / sooner
    seconds = np.maximum(prompt * np.exp(-prefill), step) + step
    return Wait(seconds, f"{prompt} tokens / prefill rate + 1 / decode rate", by_rates=True)


def _measured(variant: Variant, draws: int) -> Floats:
    """Log-normal with the interval that was measured; exact where there is none."""
    found = variant.ttft_s
    if found is None or found.low is None or found.high is None or found.low <= 0:
        return np.full(draws, np.nan if found is None else found.value)
    spread = math.log(found.high / found.low) / (2 * z_quantile())
    rng = np.random.default_rng([1, int(digest("ttft", variant.id), 16)])
    return np.asarray(found.value * np.exp(spread * rng.standard_normal(draws)))
