"""What quantization costs a model: retained quality by task class, divergences, and the cliff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from grid.analysis.duels import interval_of_draws, uncertainty_is_known
from grid.analysis.limits import sixteen_bit_of
from grid.analysis.posterior import Posterior, as_posterior
from grid.analysis.retained import RetainedQuality, retained_quality
from grid.analysis.variant import Variant
from grid.errors import InputError
from grid.results.statistics import Interval
from grid.results.statistics.interval import LEVEL

KLD_NAMES = ("mean", "median", "p90", "p95", "p99", "p999", "max")
DP_NAMES = (
    "mean", "rms", "min", "p001", "p01", "p05", "p10", "p25", "median",
    "p75", "p90", "p95", "p99", "p999", "max",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TextRow:
    """Text metrics of a variant against its reference: KL divergence in nats and p_q - p_ref by
    the names in `KLD_NAMES` and `DP_NAMES` as far as they were measured; `perplexity_ratio` is
    PPL_q / PPL_ref with the interval of paired chunks."""

    variant: Variant
    kld: Mapping[str, Interval]
    dp: Mapping[str, Interval]
    perplexity_ratio: Interval | None
    same_top1: Interval | None
    indistinguishable: bool | None


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """`retained` quality by (task class, variant id) for every class and variant; `texts` in the
    order of `variants`: by model, from most to fewest bytes."""

    classes: tuple[str, ...]
    variants: tuple[Variant, ...]
    retained: Mapping[tuple[str, str], RetainedQuality]
    texts: tuple[TextRow, ...]


@dataclass(frozen=True, slots=True)
class CliffStep:
    """A quant against its 16 bits: `difference` is the capability lost (negative) or gained, from
    the paired draws; `probability` that more than the tolerated share is lost, None where the
    uncertainty of one of the two is unknown."""

    variant: Variant
    bpw: float
    difference: Interval
    probability: float | None
    sure: bool


@dataclass(frozen=True, slots=True)
class Cliff:
    """Where loss begins to be sure. `bpw` is the most bits per weight at and below which every
    quant measured surely loses more than `loss` of the 16-bit capability; None with the reason.
    `steps` are the quants from most to fewest bits."""

    model: str
    loss: float
    bpw: float | None
    steps: tuple[CliffStep, ...]
    reason: str = ""


def sensitivity(variants: Sequence[Variant]) -> Sensitivity:
    """Heatmap of retained quality, and the text metrics, of variants of any models."""
    ordered = sorted(variants, key=lambda v: (v.model, -v.artifact_bytes, v.id))
    classes = tuple(sorted({name for v in ordered for name in v.classes}))
    cells = {(name, v.id): retained_quality(v, ordered, name) for name in classes for v in ordered}
    return Sensitivity(classes, tuple(ordered), cells, tuple(text_row(v) for v in ordered))


def text_row(variant: Variant) -> TextRow:
    """The text metrics of one variant, by percentile."""
    metrics = variant.text_metrics
    kld = {n: metrics[f"kld_{n}"] for n in KLD_NAMES if f"kld_{n}" in metrics}
    dp = {n: metrics[f"dp_{n}"] for n in DP_NAMES if f"dp_{n}" in metrics}
    ratio = metrics.get("ln_ppl_ratio")
    return TextRow(
        variant,
        kld,
        dp,
        None if ratio is None else _exponential(ratio),
        variant.same_top1,
        variant.indistinguishable,
    )


def _exponential(log: Interval) -> Interval:
    """exp of an interval; the standard error by the delta method."""
    value = float(np.exp(log.value))
    low, high = (None if end is None else float(np.exp(end)) for end in (log.low, log.high))
    error = None if log.sd is None else value * log.sd
    return Interval(value, low, high, error, log.n, "exp of " + log.method)


def cliff(variants: Sequence[Variant] | Posterior, loss: float = 0.0) -> Cliff:
    """Where one model's quants begin to lose surely (with 97.5 % of the paired draws) more than
    `loss` of their 16-bit capability.

    Raises InputError for variants of several models or hardware classes, and for a loss that is
    not a share.
    """
    if not 0 <= loss < 1:
        raise InputError(f"loss {loss:g} is not a share; give one from 0 up to 1")
    posterior = as_posterior(variants)
    models = sorted({v.model for v in posterior.variants})
    if len(models) != 1:
        raise InputError(f"a cliff is one model's, not that of {len(models)}; choose one")
    steps = sorted(
        (step for v in posterior.variants if (step := _step(posterior, v, loss)) is not None),
        key=lambda step: (-step.bpw, step.variant.id),
    )
    at = _edge(steps)
    if at is not None:
        return Cliff(models[0], loss, at, tuple(steps))
    reason = "no loss is sure" if steps else "no quant and its 16 bits have capability"
    if steps and any(step.sure for step in steps):
        reason = "some lose surely, but not the one of the fewest bits"
    return Cliff(models[0], loss, None, tuple(steps), reason)


def _step(posterior: Posterior, variant: Variant, loss: float) -> CliffStep | None:
    whole = sixteen_bit_of(posterior.variants, variant)
    bpw = bits_per_weight(variant)
    if whole is None or variant.defines_floor or bpw is None:
        return None
    if variant.capability is None or whole.capability is None:
        return None
    mine, base = (posterior.capability[:, posterior.index[v.id]] for v in (variant, whole))
    value = variant.capability.value - whole.capability.value
    is_known = uncertainty_is_known(variant, whole)
    share = float((mine < (1 - loss) * base).mean()) if is_known else None
    sure = share is not None and share >= 1 - (1 - LEVEL) / 2
    lost = interval_of_draws(value, mine - base, variant.capability.n, is_known)
    return CliffStep(variant, bpw, lost, share, sure)


def bits_per_weight(variant: Variant) -> float | None:
    """Of the file; from its size and the model's parameters where it was not read."""
    if variant.bpw_file is not None:
        return variant.bpw_file
    return 8 * variant.artifact_bytes / variant.parameters if variant.parameters else None


def _edge(steps: Sequence[CliffStep]) -> float | None:
    """Bits of the first of the unbroken run of sure losses that ends at the fewest bits."""
    edge = None
    for step in reversed(steps):
        if not step.sure:
            break
        edge = step.bpw
    return edge
