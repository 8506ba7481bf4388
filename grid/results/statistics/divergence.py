"""A quantized model against its 16-bit reference over the same tokens: llama.cpp's KLD table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from grid.results.statistics.interval import Floats, Interval
from grid.results.statistics.resample import mean_bounds, multiplicities
from grid.results.statistics.scores import wilson_interval
from grid.results.statistics.text import (
    as_chunks,
    chunk_mean,
    standard_error,
    transform_interval,
)

KLD_QUANTILES = {"median": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}
DP_QUANTILES = {
    "p001": 0.001, "p01": 0.01, "p05": 0.05, "p10": 0.1, "p25": 0.25, "median": 0.5,
    "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999,
}  # fmt: skip

CONFIDENCE_BANDS = {
    "below_25": (0.0, 0.25),
    "25_to_50": (0.25, 0.5),
    "50_to_90": (0.5, 0.9),
    "from_90": (0.9, np.inf),
}
"""Bands of the probability that the reference gives its most likely token: name -> from, below."""

WITH_INTERVAL = (0.01, 0.99)
"""Quantiles further out rest on a handful of tokens; resampling chunks says nothing of them."""

QUANTILE_DRAWS = 500


def kld_table(kld: npt.ArrayLike) -> dict[str, Interval]:
    """mean, quantiles and extremes of KL divergences in nats [chunks, tokens]."""
    chunks = as_chunks(kld, "kld")
    mean = divergence_mean(chunks)
    return {"mean": mean, **_quantiles(chunks, KLD_QUANTILES), **_extremes(chunks)}


def divergence_mean(kld: npt.ArrayLike) -> Interval:
    """Mean of divergences in nats [chunks, tokens]."""
    return _not_negative(chunk_mean(kld, "kld"))


def kld_by_confidence(kld: npt.ArrayLike, top1: npt.ArrayLike) -> dict[str, Interval]:
    """Mean KL divergence of the tokens in each band of the reference's confidence, `top1`; both
    [chunks, tokens]. `n` counts the band's tokens; a band without any is left out.

    A chunk has as many tokens of a band as it happens to have: the interval is that of a ratio of
    sums over chunks, linearised (Cochran 1977, 6.3).
    """
    chunks, confidence = as_chunks(kld, "kld"), as_chunks(top1, "top1")
    table = {}
    for name, (low, high) in CONFIDENCE_BANDS.items():
        inside = (confidence >= low) & (confidence < high)
        if inside.any():
            table[name] = _band_mean(chunks, inside)
    return table


def _band_mean(chunks: Floats, inside: npt.NDArray[np.bool_]) -> Interval:
    values, counts = chunks[inside], inside.sum(axis=1)
    mean = float(values.mean())
    excess = (np.where(inside, chunks, 0.0).sum(axis=1) - mean * counts) / counts.mean()
    bounds, method = mean_bounds(mean + excess)
    low, high = bounds or (None, None)
    text = f"mean over the band, SE over tokens; {method} over {len(chunks)} chunks"
    return _not_negative(Interval(mean, low, high, standard_error(values), values.size, text))


def _not_negative(mean: Interval) -> Interval:
    """A mean divergence is never negative; rounding in the engine makes single values so."""
    return mean if mean.low is None else replace(mean, low=max(0.0, mean.low))


def dp_table(dp: npt.ArrayLike) -> dict[str, Interval]:
    """mean, rms, quantiles and extremes of p_q - p_ref of the true token [chunks, tokens]."""
    chunks = as_chunks(dp, "dp")
    return {
        "mean": chunk_mean(chunks),
        "rms": _rms(chunks),
        **_quantiles(chunks, DP_QUANTILES),
        **_extremes(chunks),
    }


def same_top(agreements: npt.ArrayLike) -> Interval:
    """Share of tokens whose most likely token is the reference's, from 0/1 [chunks, tokens].

    SE sqrt(p (1 - p) / (n - 1)). Where all chunks have one share they cannot tell how it varies,
    and Wilson's interval over tokens stands in.
    """
    chunks = as_chunks(agreements, "same_top")
    share = chunk_mean(chunks)
    if share.low is None or share.high is None:
        return share
    if share.low == share.high:
        over_tokens = wilson_interval(float(chunks.sum()), chunks.size)
        return replace(over_tokens, sd=share.sd)
    return replace(share, low=max(0.0, share.low), high=min(1.0, share.high))


def ln_ppl_ratio(nll: npt.ArrayLike, nll_reference: npt.ArrayLike) -> Interval:
    """ln(PPL_q / PPL_ref) = mean of paired differences in nats, both [chunks, tokens].

    The variance of the differences is var(q) + var(ref) - 2 cov: the paired covariance of
    llama.cpp.
    """
    mine, reference = as_chunks(nll, "nll"), as_chunks(nll_reference, "nll_reference")
    if mine.shape != reference.shape:
        raise ValueError(f"nll is {mine.shape}, its reference {reference.shape}; they must pair")
    return chunk_mean(mine - reference)


def _rms(chunks: Floats) -> Interval:
    """sqrt(mean x^2) with SE(x^2) / (2 RMS)."""
    square = chunk_mean(chunks**2)
    value = float(np.sqrt(square.value))
    error = square.sd / (2 * value) if square.sd is not None and value > 0 else None
    root = transform_interval(square, lambda x: float(np.sqrt(max(0.0, x))), value, error, "")
    return replace(root, method="root of " + square.method)


def _extremes(chunks: Floats) -> dict[str, Interval]:
    ends = {"min": float(chunks.min()), "max": float(chunks.max())}
    return {name: Interval(end, n=chunks.size, method=name) for name, end in ends.items()}


def _quantiles(chunks: Floats, quantiles: dict[str, float]) -> dict[str, Interval]:
    """Quantiles over all tokens; intervals by resampling whole chunks, percentile method."""
    values = np.quantile(chunks, list(quantiles.values()))
    bounds = _quantile_bounds(chunks, list(quantiles.values()))
    table = {}
    for (name, q), value, (low, high) in zip(quantiles.items(), values, bounds, strict=True):
        inner = len(chunks) > 1 and WITH_INTERVAL[0] <= q <= WITH_INTERVAL[1]
        table[name] = Interval(
            float(value),
            float(low) if inner else None,
            float(high) if inner else None,
            n=chunks.size,
            method="quantile; chunk bootstrap" if inner else "quantile",
        )
    return table


def _quantile_bounds(chunks: Floats, quantiles: list[float]) -> Floats:
    """[quantiles, 2]. The tokens are sorted once; a resample only changes how often each counts."""
    order = np.argsort(chunks, axis=None)
    values = chunks.ravel()[order]
    counts = multiplicities(len(chunks), QUANTILE_DRAWS)
    total = np.cumsum(counts[:, order // chunks.shape[1]], axis=1, dtype=np.int32)
    ranks = np.ceil(np.array(quantiles) * chunks.size).clip(1)
    at = np.array([np.searchsorted(row, ranks) for row in total])
    return np.asarray(np.quantile(values[at], [0.025, 0.975], axis=0).T)
