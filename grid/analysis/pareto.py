"""The frontier of two axes: the variants that nothing beats, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grid.analysis.axes import Axis, axis_of, estimate, goodness
from grid.analysis.belief import DRAWS, METHOD, SEED, Posterior, posterior
from grid.analysis.variant import Variant
from grid.statistics.interval import LEVEL, Floats

_BLOCK = 2**24
"""Comparisons held at once."""


@dataclass(frozen=True)
class FrontierPoint:
    """A variant at (x, y), in the axes' units.

    `on` says that at the measured values nothing beats it; `probability` is the posterior one of
    that; `ties` names, by axis, the variants that the data cannot tell from this one.
    """

    variant: Variant
    x: float
    y: float
    on: bool
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
        return tuple(point for point in self.points if point.on)


def frontier(
    variants: Sequence[Variant] | Posterior,
    x: str = "artifact_bytes",
    y: str = "capability",
    draws: int = DRAWS,
    seed: int = SEED,
) -> Frontier:
    """Pareto set of one hardware class, with each point's probability of being on it.

    Prior and method are belief.METHOD. A Posterior made before spares drawing again. Raises
    InputError for an unknown axis or for variants of several hardware classes.
    """
    first, second = axis_of(x), axis_of(y)
    given = variants if isinstance(variants, Posterior) else posterior(variants, draws, seed)
    left_out = tuple(
        (variant, lack) for variant in given.variants if (lack := _lack(variant, first, second))
    )
    without = {variant.id for variant, _ in left_out}
    at = [i for i, variant in enumerate(given.variants) if variant.id not in without]
    kept = [given.variants[i] for i in at]
    points = _points(
        kept, first, second, goodness(given, first)[:, at], goodness(given, second)[:, at]
    )
    order = -1.0 if first.better == "higher" else 1.0
    ranked = sorted(points, key=lambda p: (order * p.x, -p.y, p.variant.id))
    return Frontier(first, second, tuple(ranked), left_out)


def _points(
    kept: Sequence[Variant], first: Axis, second: Axis, a: Floats, b: Floats
) -> list[FrontierPoint]:
    xs, ys = ([_number(estimate(v, axis)) for v in kept] for axis in (first, second))
    on = undominated(_signed(xs, first)[None, :], _signed(ys, second)[None, :])[0]
    probability = membership(a, b)
    tied = {first.name: ties(a), second.name: ties(b)}
    return [
        FrontierPoint(
            variant,
            xs[i],
            ys[i],
            bool(on[i]),
            float(probability[i]),
            {
                name: tuple(kept[j] for j in np.flatnonzero(row[i]).tolist())
                for name, row in tied.items()
            },
        )
        for i, variant in enumerate(kept)
    ]


def undominated(a: Floats, b: Floats) -> npt.NDArray[np.bool_]:
    """[draws, v] -> [draws, v]: no other is at least as good on both and better on one."""
    no_worse = (a[:, None, :] >= a[:, :, None]) & (b[:, None, :] >= b[:, :, None])
    beaten = no_worse & ~no_worse.transpose(0, 2, 1)
    return np.asarray(~beaten.any(axis=2))


def membership(a: Floats, b: Floats) -> Floats:
    """Share of joint draws [draws, v] in which each of v is undominated; more is better."""
    draws = max(len(a), len(b))
    size = a.shape[1]
    a, b = (np.broadcast_to(part, (draws, size)) for part in (a, b))
    rows = max(1, _BLOCK // max(1, size * size))
    counts = np.zeros(size)
    for start in range(0, draws, rows):
        counts += undominated(a[start : start + rows], b[start : start + rows]).sum(axis=0)
    return counts / draws


def ties(draws: Floats) -> npt.NDArray[np.bool_]:
    """[draws, v] -> [v, v]: the 95 % interval of the paired difference contains 0.

    That is where neither is better in more than 97.5 % of the draws. None ties with itself.
    """
    size = draws.shape[1]
    better = np.array([(draws[:, [i]] > draws).mean(axis=0) for i in range(size)])
    better = better.reshape(size, size)
    sure = 1 - (1 - LEVEL) / 2
    return np.asarray((better <= sure) & (sure >= better.T) & ~np.eye(size, dtype=bool))


def _lack(variant: Variant, *axes: Axis) -> str:
    """What keeps a variant off the axes, in words; empty where nothing does."""
    lacks = []
    for axis in axes:
        if estimate(variant, axis) is None:
            why = f" (no {', '.join(variant.missing)})" if axis.name == "capability" else ""
            lacks.append(f"no {axis.title}{why if variant.missing else ''}")
    return ", ".join(lacks)


def _number(value: float | None) -> float:
    if value is None:
        raise ValueError("an unmeasured variant cannot be placed on a frontier")
    return value


def _signed(values: Sequence[float], axis: Axis) -> Floats:
    sign = 1.0 if axis.better == "higher" else -1.0
    return sign * np.array(values, dtype=np.float64)
