"""Statistics of scored text: values per token, chunk by chunk ([chunks, tokens])."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from grid.results.statistics.interval import Floats, Interval, require_finite
from grid.results.statistics.resample import mean_bounds


def as_chunks(values: npt.ArrayLike, what: str = "values") -> Floats:
    """The values as [chunks, tokens]. Raises ValueError on another shape."""
    array = require_finite(values, what)
    if array.ndim != 2:
        raise ValueError(f"{what} must be [chunks, tokens], not of {array.ndim} dimensions")
    return array


def standard_error(values: Floats) -> float | None:
    """sqrt((E[x^2] - E[x]^2) / (n - 1)) over all tokens, as llama.cpp computes it.

    It takes tokens as independent, which they are not: the chunk interval is the honest one.
    """
    n = values.size
    return float(np.sqrt(values.var() / (n - 1))) if n > 1 else None


def chunk_mean(values: npt.ArrayLike, what: str = "values") -> Interval:
    """Mean over all tokens, llama.cpp's standard error as `sd`, and an interval over chunks."""
    chunks = as_chunks(values, what)
    bounds, method = mean_bounds(chunks.mean(axis=1))
    low, high = bounds or (None, None)
    text = f"mean, SE over tokens; {method} over {len(chunks)} chunks"
    return Interval(float(chunks.mean()), low, high, standard_error(chunks), chunks.size, text)


def perplexity(nll: npt.ArrayLike) -> Interval:
    """exp(mean NLL) of nats [chunks, tokens]; `sd` is llama.cpp's SE = PPL * SE(mean NLL)."""
    mean = chunk_mean(nll, "nll")
    value = math.exp(mean.value)
    error = None if mean.sd is None else value * mean.sd
    return transform_interval(mean, math.exp, value, error, "exp of " + mean.method)


def bits_per_byte(nll: npt.ArrayLike, scored_bytes: float) -> Interval:
    """sum(NLL) / (ln 2 * bytes of the scored text), comparable across tokenizers.

    The number of bytes is that of the text as scored and has no part in the interval.
    """
    if scored_bytes <= 0:
        raise ValueError(f"the scored text must have bytes, not {scored_bytes:g}")
    mean = chunk_mean(nll, "nll")
    scale = mean.n / (math.log(2) * scored_bytes)
    error = None if mean.sd is None else scale * mean.sd
    method = "sum(nll) / (ln 2 * bytes); " + mean.method
    return transform_interval(mean, lambda x: scale * x, scale * mean.value, error, method)


def transform_interval(
    interval: Interval,
    function: Callable[[float], float],
    value: float,
    error: float | None,
    method: str,
) -> Interval:
    """The interval under an increasing function; value and error are the caller's."""
    low = None if interval.low is None else function(interval.low)
    high = None if interval.high is None else function(interval.high)
    return Interval(value, low, high, error, interval.n, method)
