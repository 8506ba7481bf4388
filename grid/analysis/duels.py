"""Equal memory, different ways: which of two variants of about the same size is more capable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np

from grid.analysis.posterior import Posterior
from grid.analysis.quant_families import quant_family
from grid.analysis.variant import Variant, gains_of, groups_of, task_places
from grid.errors import InputError
from grid.results.statistics import Interval, group_codes, holm_correction, sign_flip_test
from grid.results.statistics.groups import group_totals
from grid.results.statistics.interval import LEVEL, Floats
from grid.units import GIB

Verdict = Literal["left", "right", "tie"]

DRAWS_METHOD = "95 % of the joint draws"

_AT_ONCE = 256
"""Pairs whose draws are held at once."""

Sides = tuple[Variant, Variant]
Spread = tuple[float, float, float]
"""Ends of the central 95 % of draws, and their standard deviation."""


@dataclass(frozen=True, slots=True)
class Duel:
    """Two variants of about equal weight bytes; `left` is of the model with fewer parameters.

    `difference` is capability left - right, its interval from the joint draws; `p_value` is that of
    the paired test `test` over the `n` items both were asked, or their groups; `p_holm` the same
    corrected for all duels of the table (Holm 1979); both are None without common items in every
    class. The verdict names a winner where the interval excludes 0 and `p_holm`, if there is one,
    is at most 5 %; never where the uncertainty of a side is unknown, for then there is no interval.
    """

    left: Variant
    right: Variant
    difference: Interval
    p_value: float | None
    p_holm: float | None
    n: int
    test: str
    verdict: Verdict

    @property
    def size_ratio(self) -> float:
        """Weight bytes, left over right."""
        return self.left.artifact_bytes / self.right.artifact_bytes

    @property
    def winner(self) -> Variant | None:
        """None for a tie."""
        return {"left": self.left, "right": self.right, "tie": None}[self.verdict]


StoredDuel = tuple[str, str, Interval, float | None, float | None, int, str, Verdict]
"""A Duel with its variants' ids, as plain data."""


def as_stored(duel: Duel) -> StoredDuel:
    """Plain data, to be kept."""
    sides = (duel.left.id, duel.right.id)
    return (*sides, duel.difference, duel.p_value, duel.p_holm, duel.n, duel.test, duel.verdict)


def as_duel(stored: StoredDuel, variants: Mapping[str, Variant]) -> Duel:
    """The duel of plain data, with its variants by their ids."""
    left, right, difference, p_value, p_holm, n, test, verdict = stored
    return Duel(variants[left], variants[right], difference, p_value, p_holm, n, test, verdict)


@dataclass(frozen=True, slots=True)
class Bang:
    """Capability per GiB of weights, 1/GiB, with the interval of the joint draws."""

    variant: Variant
    gib: float
    per_gib: Interval


def duels(posterior: Posterior, tolerance: float = 0.1) -> list[Duel]:
    """All pairs of different models or quant families of which the larger has at most
    `tolerance` more weight bytes than the smaller, the clearest winner first.

    Pairs lacking capability are left out. Raises InputError for a tolerance that is not a share.
    """
    if not 0 <= tolerance < 1:
        raise InputError(f"tolerance {tolerance:g} is not a share; give one from 0 up to 1")
    pairs = [
        _order_sides(a, b)
        for a, b in combinations(posterior.variants, 2)
        if _comparable(a, b) and _similar_size(a.artifact_bytes, b.artifact_bytes, tolerance)
    ]
    return _judged(_duels(posterior, pairs))


def narrowed(contests: Sequence[Duel], tolerance: float) -> list[Duel]:
    """What `duels` gives for a narrower tolerance, of those for a wider one: fewer pairs, so that
    p is corrected for fewer."""
    return _judged(
        [
            duel
            for duel in contests
            if _similar_size(duel.left.artifact_bytes, duel.right.artifact_bytes, tolerance)
        ]
    )


def _judged(results: Sequence[Duel]) -> list[Duel]:
    """With the corrected p and the verdict, the clearest winner first."""
    results = list(results)
    tested = [i for i, duel in enumerate(results) if duel.p_value is not None]
    adjusted = holm_correction([p for duel in results if (p := duel.p_value) is not None])
    for i, p_holm in zip(tested, adjusted, strict=True):
        results[i] = replace(results[i], p_holm=p_holm)
    judged = [replace(duel, verdict=_verdict(duel)) for duel in results]
    return sorted(judged, key=_clearness)


def bang(posterior: Posterior) -> list[Bang]:
    """Capability per GiB, highest first; variants without capability or size are left out."""
    rows = []
    for i, variant in enumerate(posterior.variants):
        value = variant.bang_per_bit
        if value is not None:
            gib = variant.artifact_bytes / GIB
            n = variant.capability.n if variant.capability else 0
            draws = posterior.capability[:, i] / gib
            rows.append(
                Bang(
                    variant, gib, interval_of_draws(value, draws, n, uncertainty_is_known(variant))
                )
            )
    return sorted(rows, key=lambda row: (-row.per_gib.value, row.variant.id))


def interval_of_draws(value: float, draws: Floats, n: int, is_known: bool = True) -> Interval:
    """A measured value with the central 95 % of its draws [draws]; without an interval where its
    uncertainty is not known."""
    return _interval(value, _spreads(draws[None, :])[0], n, is_known)


def _interval(value: float, spread: Spread, n: int, is_known: bool) -> Interval:
    if not is_known:
        return Interval(value, n=n, method="no uncertainty known")
    return Interval(value, *spread, n, DRAWS_METHOD)


def _spreads(draws: Floats) -> list[Spread]:
    """Of rows of draws [rows, draws]."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(draws, [tail, 1 - tail], axis=1)
    return list(zip(low.tolist(), high.tolist(), draws.std(axis=1).tolist(), strict=True))


def _comparable(a: Variant, b: Variant) -> bool:
    measured = a.capability is not None and b.capability is not None
    unlike = a.model != b.model or quant_family(a) != quant_family(b)
    return measured and unlike and a.artifact_id != b.artifact_id


def _similar_size(a: int, b: int, tolerance: float) -> bool:
    return min(a, b) > 0 and max(a, b) <= (1 + tolerance) * min(a, b)


def _order_sides(a: Variant, b: Variant) -> tuple[Variant, Variant]:
    left, right = sorted((a, b), key=lambda v: (v.parameters or 0, v.model, v.quant, v.id))
    return left, right


def _duels(posterior: Posterior, sides: Sequence[Sides]) -> list[Duel]:
    """Not yet judged; the draws of many pairs are looked at together."""
    rows = np.ascontiguousarray(posterior.capability.T)
    places = np.array([[posterior.index[side.id] for side in pair] for pair in sides], dtype=int)
    results = []
    for first in range(0, len(sides), _AT_ONCE):
        left, right = places[first : first + _AT_ONCE].T
        spreads = _spreads(rows[left] - rows[right])
        of_block = sides[first : first + _AT_ONCE]
        results += [_duel(*pair, spread) for pair, spread in zip(of_block, spreads, strict=True)]
    return results


def _duel(left: Variant, right: Variant, spread: Spread) -> Duel:
    value = _capability(left) - _capability(right)
    pairs = _pairs(left, right)
    n = 0 if pairs is None else len(pairs.differences)
    p_value, test = (None, "no items in common") if pairs is None else _paired_test(pairs)
    difference = _interval(value, spread, n, uncertainty_is_known(left, right))
    return Duel(left, right, difference, p_value, None, n, test, "tie")


def uncertainty_is_known(*variants: Variant) -> bool:
    """True where each variant's capability has a known uncertainty: not for imported figures
    without items and without a standard error."""
    return not any(variant.lacks_uncertainty for variant in variants)


def _capability(variant: Variant) -> float:
    if variant.capability is None:
        raise ValueError("a variant without capability cannot be compared")
    return variant.capability.value


def paired_differences(left: Variant, right: Variant) -> Floats | None:
    """Differences of gains left - right over the items that both were asked [n], each scaled with
    its task's weight over its task's items: their sum is the difference of capability. None where a
    task of a weighted class has no common item."""
    pairs = _pairs(left, right)
    return None if pairs is None else pairs.differences


class _Pairs(NamedTuple):
    """Items that both were asked: their scaled differences [n], and their groups [n]."""

    differences: Floats
    groups: tuple[str, ...]


def _paired_test(pairs: _Pairs) -> tuple[float, str]:
    """p and the test's name; of items in groups a group is one pair."""
    codes = group_codes(pairs.groups)
    if codes is None:
        return sign_flip_test(pairs.differences)
    totals = group_totals(pairs.differences, codes)
    p_value, test = sign_flip_test(totals)
    return p_value, f"{test} of {len(totals)} groups"


def _pairs(left: Variant, right: Variant) -> _Pairs | None:
    parts, groups = [], []
    for name, weight in sorted(left.weights.items()):
        if weight <= 0:
            continue
        if name not in left.items or name not in right.items:
            return None
        ids = left.items[name].ids
        differences = gains_of(left, name, ids) - gains_of(right, name, ids)
        named = groups_of((left, right), name, ids) or ("",) * len(ids)
        tasks = task_places(ids).values()
        for places in tasks:
            common = places[np.isfinite(differences[places])]
            if not common.size:
                return None
            parts.append(weight / len(tasks) / common.size * differences[common])
            groups += [named[place] for place in common.tolist()]
    return _Pairs(np.concatenate(parts), tuple(groups)) if parts else None


def _verdict(duel: Duel) -> Verdict:
    low, high = duel.difference.low, duel.difference.high
    sure = duel.p_holm is None or duel.p_holm <= 1 - LEVEL
    if low is None or high is None or not sure:
        return "tie"
    return "left" if low > 0 else "right" if high < 0 else "tie"


def _clearness(duel: Duel) -> tuple[bool, float, float, str, str]:
    p_value = 1.0 if duel.p_value is None else duel.p_value
    size = abs(duel.difference.value)
    return duel.verdict == "tie", p_value, -size, duel.left.id, duel.right.id
