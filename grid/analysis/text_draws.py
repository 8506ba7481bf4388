"""Draws of how close variants are to 16 bits, by KL divergence, and of their perplexity."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from grid.analysis.random_streams import stream_of
from grid.analysis.variant import KLD_RESOLUTION, Variant
from grid.results.statistics import Interval
from grid.results.statistics.interval import Floats, z_quantile

TEXT_AXES = ("kld_mean", "perplexity")
"""Axes that compare variants of one model over one text, and no others."""

TEXT_METHOD = (
    "KLD: mean KL divergence from the same model at 16 bits over the tokens of one text. Bayesian "
    "bootstrap (Rubin 1981) of the chunks of that text, on the log scale, widened to Student's t; "
    "below 8 chunks their logs are taken as normal. Where a few chunks make most of the mean, only "
    "as many count as make it (Kish 1965). All variants of a model share each draw of weights, so "
    "they are compared on the same chunks. A divergence not above its engine's noise floor counts "
    "as 0: it cannot be told from 16 bits.\n"
    "Of a variant that was scored on the first chunks only, because a sweep stopped when it was "
    "decided, the mean over all is that of the variant most like it that was scored on all, times "
    "the ratio of the two over the first.\n"
    "Perplexity: the same over the mean negative log likelihood of the chunks.\n"
    "A figure without chunks (imported) is log-normal with its standard error; without one, and of "
    "a single chunk, it is taken as exact, and no probability can be given."
)

FEW_CHUNKS = 8
"""Below this many chunks resampling knows too few values: their logs are taken as normal."""

CLOSEST = round(-math.log(KLD_RESOLUTION), 12)
"""Draw of what cannot be told from 16 bits."""

FARTHEST = round(math.log(1e6), 12)
"""Log of the largest draw: two chunks far apart leave draws without bounds, which no model has."""

Scope = tuple[object, ...]


def text_scope(variant: Variant, axis: str) -> Scope | None:
    """What variants must share to be compared on a text axis: model, who measured, text and its
    chunks; of a divergence the reference, of a perplexity the tokens. None where the variant has no
    such figure."""
    figure = variant.kld_mean if axis == "kld_mean" else variant.perplexity
    if figure is None:
        return None
    scope: Scope = (variant.model, variant.origin)
    run = variant.scored_text
    if run is None:
        return scope
    asked_for = run.part_of or run.chunks
    basis = run.reference if axis == "kld_mean" else run.tokens / max(1, run.chunks)
    return (*scope, run.text, run.context, asked_for, basis)


def main_scope(variants: Sequence[Variant], axis: str) -> Scope | None:
    """The scope of most variants; None where none has a figure."""
    counts = Counter(scope for v in variants if (scope := text_scope(v, axis)) is not None)
    return min(counts, key=lambda scope: (-counts[scope], repr(scope))) if counts else None


def chunk_count(variant: Variant, axis: str) -> int | None:
    """Chunks behind a figure; None where only the figure is known."""
    chunks = _chunks(variant, axis)
    return None if chunks is None else int(np.isfinite(chunks).sum())


def lacks_text_uncertainty(variant: Variant, axis: str) -> bool:
    """True where it is not known how sure a figure is: of one chunk, or imported without its
    standard error. What cannot be told from 16 bits is sure of that."""
    if text_scope(variant, axis) is None or (axis == "kld_mean" and variant.matches_16_bits):
        return False
    count = chunk_count(variant, axis)
    return _log_error(variant, axis) is None if count is None else count < 2


def text_draws(variants: Sequence[Variant], axis: str, draws: int, seed: int) -> Floats:
    """Minus the logs of KLD or perplexity, so that more is better: [draws, variants], NaN for
    unmeasured. Variants scored on the same chunks share the weights of each draw.

    A divergence not above its engine's noise floor is `CLOSEST` in that draw.
    """
    result = np.full((draws, len(variants)), np.nan)
    for i, variant in enumerate(variants):
        if text_scope(variant, axis) is not None:
            logs = _log_draws(variant, axis, draws, seed)
            anchor = _anchor(variant, variants, axis)
            if anchor is not None:
                logs = logs + _of_other_chunks(variant, anchor, axis, draws, seed)
            result[:, i] = -np.minimum(logs, FARTHEST)
            if axis == "kld_mean":
                result[:, i] = _above_floor(variant, result[:, i])
    return np.round(result, 12)


def _anchor(variant: Variant, variants: Sequence[Variant], axis: str) -> Variant | None:
    """Of the variants that were scored on more chunks of the variant's text, and on its own, the
    one most like it, of those with most chunks; None where the variant has all or there is none."""
    own = _chunks(variant, axis)
    if variant.scored_text is None or not variant.scored_text.part_of or own is None:
        return None
    scope, size = text_scope(variant, axis), len(own)
    longer = [
        (len(chunks), longer_run)
        for longer_run in variants
        if text_scope(longer_run, axis) == scope
        and (chunks := _chunks(longer_run, axis)) is not None
        and len(chunks) > size
        and np.isfinite(chunks).all()
        and (axis != "kld_mean" or not longer_run.matches_16_bits)
    ]
    if not longer:
        return None
    most = max(count for count, _ in longer)
    like = _log_value(variant, axis)
    return min(
        (longer_run for count, longer_run in longer if count == most),
        key=lambda longer_run: (abs(_log_value(longer_run, axis) - like), longer_run.id),
    )


def _of_other_chunks(variant: Variant, anchor: Variant, axis: str, draws: int, seed: int) -> Floats:
    """What to add to the draws of a variant that was scored on the first n chunks, so that they are
    of all chunks of its anchor: the anchor's over all, less the anchor's over the first n (ratio
    estimate from two samples, Cochran 1977, chapter 12). The difference of two variants with one
    anchor, and of a variant and its anchor, is the paired one over the first n."""
    run, chunks = anchor.scored_text, _chunks(anchor, axis)
    own = _chunks(variant, axis)
    assert run is not None
    assert chunks is not None
    assert own is not None
    first = chunks[: len(own)]
    mean = float(first.mean())
    part = replace(
        anchor,
        scored_text=replace(run, chunks=len(own), kld=first, nll=first),
        kld_mean=Interval(mean),
        perplexity=Interval(math.exp(mean)) if axis == "perplexity" else anchor.perplexity,
    )
    over_all, over_part = (_log_draws(v, axis, draws, seed) for v in (anchor, part))
    return over_all - over_part


def _above_floor(variant: Variant, closeness: Floats) -> Floats:
    if variant.matches_16_bits:
        return np.full(len(closeness), CLOSEST)
    floor = max(KLD_RESOLUTION, variant.noise_floor_nat or 0.0)
    return np.where(closeness >= -math.log(floor), CLOSEST, closeness)


def _log_draws(variant: Variant, axis: str, draws: int, seed: int) -> Floats:
    value = _log_value(variant, axis)
    chunks = _chunks(variant, axis)
    if chunks is None:
        error = _log_error(variant, axis)
        about = (axis, variant.artifact_id, variant.backend, value, error)
        rng = np.random.default_rng(stream_of(seed, "text mean", *about))
        return value + (error or 0.0) * rng.standard_normal(draws)
    present = np.isfinite(chunks)
    if present.sum() < 2:
        return np.full(draws, value)
    run = variant.scored_text
    name = (run.text, run.context) if run else ()
    rng = np.random.default_rng(stream_of(seed, "chunks", *name, present.tolist()))
    values = chunks[present]
    if axis == "kld_mean":
        values = np.maximum(values, KLD_RESOLUTION)
    return value + mean_deviations(values, axis == "kld_mean", draws, rng)


def mean_deviations(values: Floats, log: bool, draws: int, rng: np.random.Generator) -> Floats:
    """Draws [draws] of how far the mean of chunks [n >= 2], or its log, is from what was measured.

    A Bayesian bootstrap of chunks (Rubin 1981), widened to Student's t: alone it is too narrow by
    sqrt((n - 1) / (n + 1)) and has the normal's tails. Below `FEW_CHUNKS` the values, or their
    logs, are taken as normal. Of logs n is the effective number of chunks (Kish 1965), 1 / sum of
    squared shares: where a few hard chunks make most of the mean, of two variants of equal mean 15
    in 100 pairs seemed surely apart without it, and at most 6 with it (the module's test tries
    it). Everything random is shared by variants with the same chunks, so a difference has the
    paired interval.
    """
    n = len(values)
    shares = values / values.sum() if log else np.full(n, 1 / n)
    effective = max(2.0, 1 / float((shares**2).sum()))
    stretch = _student_over_normal(effective - 1, rng.random(draws))
    if n < FEW_CHUNKS:
        scaled = np.log(values) if log else values
        normal = rng.standard_normal((draws, n)) @ (scaled - scaled.mean())
        return np.asarray(stretch * normal / math.sqrt(n * (n - 1)))
    weights = rng.standard_exponential((draws, n))
    means = weights @ values / weights.sum(axis=1)
    deviations = np.log(means / values.mean()) if log else means - values.mean()
    return np.asarray(stretch * math.sqrt((effective + 1) / (effective - 1)) * deviations)


def _student_over_normal(degrees: float, uniform: Floats) -> Floats:
    """sqrt(degrees / chi-square) at quantiles [draws]: a normal times it is Student's t."""
    from scipy.special import chdtri

    return np.asarray(np.sqrt(degrees / chdtri(degrees, uniform)))


def _chunks(variant: Variant, axis: str) -> Floats | None:
    """Means by chunk: of KLD, or of the negative log likelihood, whose mean is ln(perplexity)."""
    run = variant.scored_text
    if run is None:
        return None
    return run.kld if axis == "kld_mean" else run.nll


def _log_value(variant: Variant, axis: str) -> float:
    return math.log(max(_figure(variant, axis).value, KLD_RESOLUTION))


def _log_error(variant: Variant, axis: str) -> float | None:
    """Standard error of the log: from the interval over chunks, else from the figure's own."""
    figure = _figure(variant, axis)
    if figure.value <= 0:
        return None
    if figure.low is not None and figure.high is not None:
        return (figure.high - figure.low) / (2 * z_quantile()) / figure.value
    return None if figure.sd is None else figure.sd / figure.value


def _figure(variant: Variant, axis: str) -> Interval:
    figure = variant.kld_mean if axis == "kld_mean" else variant.perplexity
    if figure is None:
        raise ValueError(f"a variant without {axis} has no draws of it")
    return figure
