"""The frontier of two axes: the variants that nothing beats, and with what probability."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grid.analysis.axes import AXES, Axis, axis_of, estimate, goodness, informed_goodness, lack_on
from grid.analysis.posterior import DRAWS, METHOD, SEED, Posterior, as_posterior
from grid.analysis.text_draws import TEXT_AXES, Scope, main_scope, text_scope
from grid.analysis.variant import Variant
from grid.errors import InputError
from grid.results.statistics.interval import LEVEL, Floats

_BLOCK = 2**21
"""Values held at once, per array."""


class Ties(Mapping[str, tuple[Variant, ...]]):
    """By axis the variants that the data cannot tell from one; computed on access."""

    def __init__(self, row: int, variants: Sequence[Variant], draws: Mapping[str, Floats]) -> None:
        self._row, self._variants, self._draws = row, variants, draws

    def __getitem__(self, axis: str) -> tuple[Variant, ...]:
        tied = ties_of(self._draws[axis], self._row)
        return tuple(self._variants[j] for j in np.flatnonzero(tied).tolist())

    def __iter__(self) -> Iterator[str]:
        return iter(self._draws)

    def __len__(self) -> int:
        return len(self._draws)


@dataclass(frozen=True)
class FrontierPoint:
    """A variant at (x, y), in the axes' units.

    `on` says that at the measured values nothing beats it; `probability` is the posterior one of
    that; `ties` names, by axis, the variants that the data cannot tell from this one.
    """

    variant: Variant
    x: float
    y: float
    on_frontier: bool
    probability: float
    ties: Mapping[str, tuple[Variant, ...]]


@dataclass(frozen=True)
class Frontier:
    """All comparable variants from the best x to the worst; `left_out` with what they lack."""

    x: Axis
    y: Axis
    points: tuple[FrontierPoint, ...]
    left_out: tuple[tuple[Variant, str], ...]
    method: str = METHOD

    @property
    def members(self) -> tuple[FrontierPoint, ...]:
        """The points that nothing beats at the measured values."""
        return tuple(point for point in self.points if point.on_frontier)


def frontier(
    variants: Sequence[Variant] | Posterior,
    x: str = "artifact_bytes",
    y: str = "capability",
    draws: int = DRAWS,
    seed: int = SEED,
) -> Frontier:
    """Pareto set of one hardware class, with each point's probability of being on it.

    Prior and method are `posterior.METHOD`. A Posterior made before spares drawing again. On KLD or
    perplexity only variants of one model compare, scored on one text against one reference: that of
    most. Raises InputError for an unknown axis, for variants of several hardware classes, and for
    several models on such an axis.
    """
    first, second = axis_of(x), axis_of(y)
    posterior = as_posterior(variants, draws, seed)
    texts = {axis.name: _one_text(posterior.variants, axis) for axis in (first, second)}
    of_energy = [axis for axis in (first, second) if axis.counts_energy]
    scope = _main_energy_scope(posterior.variants, of_energy[0]) if of_energy else None
    left_out = tuple(
        (variant, lack)
        for variant in posterior.variants
        if (
            lack := ", ".join(filter(None, (lack_on(variant, axis) for axis in (first, second))))
            or _scope_mismatch(variant, scope)
            or _text_mismatch(variant, texts)
        )
    )
    without = {variant.id for variant, _ in left_out}
    columns = [i for i, variant in enumerate(posterior.variants) if variant.id not in without]
    comparable = [posterior.variants[i] for i in columns]
    informed, drawn = (
        [draws_of(posterior, axis)[:, columns] for axis in (first, second)]
        for draws_of in (informed_goodness, goodness)
    )
    points = _points(comparable, (first, second), membership(*informed), drawn)
    order = -1.0 if first.better == "higher" else 1.0
    ranked = sorted(points, key=lambda p: (order * p.x, -p.y, p.variant.id))
    return Frontier(first, second, tuple(ranked), left_out)


def _points(
    variants: Sequence[Variant],
    axes: tuple[Axis, Axis],
    probability: Floats,
    drawn: Sequence[Floats],
) -> list[FrontierPoint]:
    xs, ys = ([_require(estimate(v, axis)) for v in variants] for axis in axes)
    on = undominated(*(_higher_better(v, a)[None] for v, a in zip((xs, ys), axes, strict=True)))[0]
    # one row a variant, so that comparing one with all others reads in order
    rows = {a.name: np.ascontiguousarray(d.T) for a, d in zip(axes, drawn, strict=True)}
    return [
        FrontierPoint(
            variant, xs[i], ys[i], bool(on[i]), float(probability[i]), Ties(i, variants, rows)
        )
        for i, variant in enumerate(variants)
    ]


def undominated(a: Floats, b: Floats) -> npt.NDArray[np.bool_]:
    """[draws, v] twice -> [draws, v]: no other is at least as good on both and better on one.

    Either may be [1, v] where it is exact. NaN beats nothing and is beaten by nothing.
    """
    if len(b) == 1 < len(a):
        a, b = b, a
    unknown = np.isnan(a) | np.isnan(b)
    if unknown.any():
        a, b = (np.where(unknown, -np.inf, part) for part in (a, b))
    result = np.empty(unknown.shape, dtype=bool)
    if len(a) == 1:
        order = np.argsort(-a[0])
        result[:, order] = _unbeaten_of_exact(a[0, order], b[:, order])
    else:
        order = np.argsort(-a, axis=1)
        a, b = (np.take_along_axis(part, order, axis=1) for part in (a, b))
        np.put_along_axis(result, order, _unbeaten(a, b), axis=1)
    return np.asarray(result | unknown)


def _unbeaten_of_exact(first: Floats, second: Floats) -> npt.NDArray[np.bool_]:
    """Of columns from the greatest `first` [v]: those that nothing beats in `second` [draws, v].

    That is where `second` is the best of those of equal `first`, and better than all before.
    """
    starts = np.flatnonzero(np.append(True, first[1:] != first[:-1])) if len(first) else [0][:0]
    if not len(starts):
        return np.ones(second.shape, dtype=bool)
    best = np.maximum.reduceat(second, starts, axis=1)
    before = np.full(best.shape, -np.inf)
    before[:, 1:] = np.maximum.accumulate(best, axis=1)[:, :-1]
    group = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(first))))
    only = np.where(np.arange(len(starts)) == 0, True, best > before)
    return np.asarray((second == best[:, group]) & only[:, group])


def _unbeaten(first: Floats, second: Floats) -> npt.NDArray[np.bool_]:
    """The same of rows [draws, v], each in its own order from the greatest `first`."""
    equal = (first[:, 1:] == first[:, :-1]).any(axis=1)
    result = np.ones(second.shape, dtype=bool)
    result[:, 1:] = second[:, 1:] > np.maximum.accumulate(second, axis=1)[:, :-1]
    for row in np.flatnonzero(equal).tolist():
        result[row] = _unbeaten_of_exact(first[row], second[[row]])[0]
    return result


def membership(a: Floats, b: Floats) -> Floats:
    """Share of joint draws [draws, v] in which each of v is undominated; more is better."""
    draws = max(len(a), len(b))
    size = a.shape[1]
    rows = max(1, _BLOCK // max(1, size))
    counts = np.zeros(size)
    for start in range(0, draws, rows):
        part = slice(start, start + rows)
        counts += undominated(*(p if len(p) == 1 else p[part] for p in (a, b))).sum(axis=0)
    return counts / draws


def ties(draws: Floats) -> npt.NDArray[np.bool_]:
    """[draws, v] -> [v, v]: the 95 % interval of the paired difference contains 0.

    That is where neither is better in more than 97.5 % of the draws. None ties with itself.
    """
    rows = np.ascontiguousarray(draws.T)
    tied = [ties_of(rows, i) for i in range(len(rows))]
    return np.array(tied, dtype=bool).reshape(len(rows), len(rows))


def ties_of(rows: Floats, row: int) -> npt.NDArray[np.bool_]:
    """One row of `ties`, [v], from the draws turned: [v, draws]."""
    sure = (1 - (1 - LEVEL) / 2) * rows.shape[1]
    better = np.count_nonzero(rows[row] > rows, axis=1)
    worse = np.count_nonzero(rows[row] < rows, axis=1)
    tied = (better <= sure) & (worse <= sure)
    tied[row] = False
    return np.asarray(tied)


def _main_energy_scope(variants: Sequence[Variant], axis: Axis) -> str | None:
    """The scope of most energies; None where none was measured."""
    counts = Counter(v.energy_scope for v in variants if estimate(v, axis) is not None)
    return min(counts, key=lambda scope: (-counts[scope], scope)) if counts else None


def _scope_mismatch(variant: Variant, scope: str | None) -> str:
    if scope is None or variant.energy_scope == scope:
        return ""
    mine, most = (name or "something unnamed" for name in (variant.energy_scope, scope))
    return f"its energy counts {mine}, that of most {most}"


def _one_text(variants: Sequence[Variant], axis: Axis) -> Scope | None:
    """The text by which most variants compare; None for an axis that is not of texts."""
    if axis.name not in TEXT_AXES:
        return None
    models = sorted({v.model for v in variants if text_scope(v, axis.name) is not None})
    if len(models) > 1:
        raise InputError(
            f"{axis.title} compares variants of one model, not of {len(models)} "
            f"({', '.join(models)}); choose one, or measure tasks"
        )
    return main_scope(variants, axis.name)


def _text_mismatch(variant: Variant, texts: Mapping[str, Scope | None]) -> str:
    for name, scope in texts.items():
        if scope is not None and text_scope(variant, name) != scope:
            return f"its {AXES[name].title} is of another text or reference than that of most"
    return ""


def _require(value: float | None) -> float:
    if value is None:
        raise ValueError("an unmeasured variant cannot be placed on a frontier")
    return value


def _higher_better(values: Sequence[float], axis: Axis) -> Floats:
    sign = 1.0 if axis.better == "higher" else -1.0
    return sign * np.array(values, dtype=np.float64)
