"""An engine's distributions against the reference's, token by token.

Of a vocabulary that the reference keeps whole the divergences are sums over all entries. Of a
larger one they are sums over its kept ids and an estimate from its drawn ones (`sampling.py`):

    KL(p || q) = sum_kept p (ln p - ln q) - r + tail * mean_drawn ln(p/q)
    KL(q || p) = sum_kept q (ln q - ln p) + r + tail * mean_drawn (q/p) ln(q/p)

p of the kept ids is the exponential of what the file holds, in float16, and r = sum_kept p - (1 -
tail) is what rounding made of their mass: with it the rounding of p counts only in second order,
3e-7 nats. Averaged over draws both are without bias. The reverse one weights draws of p by q/p: far
from the reference its error is ten times the other's, and where q favours ids that p hardly ever
has, most draws miss them and a single figure is likelier too low than too high.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from grid.engine.measure.chunks import Chunk
from grid.engine.measure.reference import Reference
from grid.engine.measure.sampling import MOST_LOG_RATIO, tail_sum
from grid.errors import EngineError

Floats = npt.NDArray[np.float64]

PADDING_MASS = 1e-6
"""Probability above which an entry that an engine lacks is no padding."""

ABSENT = -50.0
"""Log-probability given to entries that an engine lacks: at their mass in the reference it adds at
most 5e-5 nats to a token's divergence."""


class ChunkComparison(NamedTuple):
    """Per token of a chunk, each [n]: KL divergence from the reference in nats, its variance by the
    reference's draws, and KL divergence of the reference from it; the difference of the true
    token's probability; 1 where both prefer the same token; the reference's own nll, and its
    probability of the token that it prefers."""

    kld: Floats
    kld_variance: Floats
    kld_reverse: Floats
    dp: Floats
    same_top: Floats
    nll_reference: Floats
    top1_reference: Floats


class Divergences(NamedTuple):
    """KL(p || q), its variance by the draws, and KL(q || p), each [n]."""

    forward: Floats
    variance: Floats
    reverse: Floats


def compare(chunk: Chunk, reference: Reference) -> ChunkComparison:
    """The chunk [n, vocabulary] against the reference's same n tokens.

    Engines differ in how many unused entries pad their vocabulary: what only one of the two has is
    left out. Raises EngineError where the reference has mass there.
    """
    rows = np.arange(len(chunk.targets))
    divergences = (
        _whole(chunk.log_probs, reference.log_probs)
        if reference.ids is None
        else _sampled(chunk.log_probs, reference, reference.ids)
    )
    nll = -chunk.log_probs[rows, chunk.targets].astype(np.float64)
    return ChunkComparison(
        kld=divergences.forward,
        kld_variance=divergences.variance,
        kld_reverse=divergences.reverse,
        dp=np.exp(-nll) - np.exp(-reference.nll),
        same_top=(chunk.log_probs.argmax(axis=1) == reference.argmax).astype(np.float64),
        nll_reference=reference.nll,
        top1_reference=reference.top1,
    )


def _whole(mine: npt.NDArray[np.float32], reference: npt.NDArray[np.float32]) -> Divergences:
    """Sums over the vocabulary, [n, mine] and [n, reference's]."""
    width, wanted = mine.shape[1], reference.shape[1]
    _refuse_lost(np.arange(wanted)[np.newaxis] >= width, reference, width)
    padding = np.full((len(mine), max(0, wanted - width)), ABSENT, dtype=np.float32)
    q = np.hstack((mine, padding))[:, :wanted].astype(np.float64)
    p = reference.astype(np.float64)
    return Divergences(
        (np.exp(p) * (p - q)).sum(axis=1), np.zeros(len(p)), (np.exp(q) * (q - p)).sum(axis=1)
    )


def _sampled(
    mine: npt.NDArray[np.float32], reference: Reference, ids: npt.NDArray[np.int32]
) -> Divergences:
    """Kept ids and draws [n, k + m] of a reference that is not whole."""
    width = mine.shape[1]
    beyond = ids >= width
    _refuse_lost(beyond, reference.log_probs, width)
    all_p = reference.log_probs.astype(np.float64)
    all_q = np.take_along_axis(mine, np.minimum(ids, width - 1), axis=1).astype(np.float64)
    all_q[beyond] = all_p[beyond]
    p, drawn_p = np.split(all_p, [reference.top], axis=1)
    q, drawn_q = np.split(all_q, [reference.top], axis=1)
    rounding = np.exp(p).sum(axis=1) - (1.0 - reference.tail_mass)
    unused = np.exp(mine[:, reference.vocabulary :].astype(np.float64)).sum(axis=1)
    outside = 1.0 - np.exp(q).sum(axis=1) - unused
    surprise = drawn_p - drawn_q
    ratios = np.exp(np.minimum(-surprise, MOST_LOG_RATIO))
    forward = tail_sum(surprise, ratios, reference.tail_mass, outside)
    reverse = tail_sum(-surprise * ratios, ratios, reference.tail_mass, outside)
    return Divergences(
        (np.exp(p) * (p - q)).sum(axis=1) - rounding + forward.value,
        forward.variance,
        (np.exp(q) * (q - p)).sum(axis=1) + rounding + reverse.value,
    )


def _refuse_lost(
    beyond: npt.NDArray[np.bool_], log_probs: npt.NDArray[np.float32], width: int
) -> None:
    """Raise EngineError if the reference expects entries that the engine's vocabulary lacks."""
    if not beyond.any():
        return
    lost = float(np.where(beyond, np.exp(log_probs), 0.0).sum(axis=1).max())
    if lost > PADDING_MASS:
        raise EngineError(
            f"the engine's vocabulary ends at {width}, and the reference gives entries beyond it a "
            f"probability of {lost:.2g}"
        )
