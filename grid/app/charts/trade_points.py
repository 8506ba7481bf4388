"""What a trade-off chart shows: variants at a cost and a quality, and what nothing beats."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from grid.advice import Advice, Candidate
from grid.advice.advice import DECODE, Figure
from grid.analysis import AXES, Axis, Frontier, FrontierPoint, Variant
from grid.analysis.axes import figure_on, lacks_uncertainty
from grid.analysis.figures import share
from grid.analysis.pareto import undominated
from grid.app.charts.labels import Labels, inert
from grid.app.charts.quantities import axis_text
from grid.results.statistics import Interval

TIES_NAMED = 4

POINTS_WITH_TIES, LIKELY = 40, 16
"""Points whose ties are worked out: all of the first number; of more the likeliest on the frontier,
as many as the second."""

DECODE_TPS, SIZE = "decode_tps", "artifact_bytes"


@dataclass(frozen=True, slots=True)
class TradePoint:
    """A variant at (x, y), in the axes' units; `lines` are what its hover says below its name.

    `barred`: its intervals are drawn. `over_limit`: it is no choice under the limits asked for.
    """

    variant: Variant
    x: Interval
    y: Interval
    on_frontier: bool
    barred: bool = True
    over_limit: bool = False
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class TradeOff:
    """All points, and the axes that they are on."""

    x: Axis
    y: Axis
    points: tuple[TradePoint, ...]

    @property
    def members(self) -> list[TradePoint]:
        """What nothing beats, from the least x to the most."""
        return sorted((p for p in self.points if p.on_frontier), key=lambda p: p.x.value)

    def of(self, variant_id: str) -> TradePoint | None:
        """The point of a variant; None where it has none."""
        return next((p for p in self.points if p.variant.id == variant_id), None)


def with_ties(front: Frontier) -> frozenset[str]:
    """Ids of the points whose ties are worth the time it takes to find them."""
    points = front.points
    if len(points) > POINTS_WITH_TIES:
        likely = sorted(points, key=lambda p: (not p.on_frontier, -p.probability, p.variant.id))
        points = tuple(likely[:LIKELY])
    return frozenset(point.variant.id for point in points)


def points_of_frontier(front: Frontier, labels: Labels) -> TradeOff:
    """A frontier's points, each with its probability and what it does not surely differ from."""
    detailed = with_ties(front)
    points = [
        TradePoint(
            variant=point.variant,
            x=figure_on(point.variant, front.x) or Interval(point.x),
            y=figure_on(point.variant, front.y) or Interval(point.y),
            on_frontier=point.on_frontier,
            barred=point.variant.id in detailed,
            lines=_certainty(front, point, labels, detailed),
        )
        for point in front.points
    ]
    return TradeOff(front.x, front.y, tuple(points))


def _certainty(
    front: Frontier, point: FrontierPoint, labels: Labels, detailed: Collection[str]
) -> tuple[str, ...]:
    state = "on the frontier" if point.on_frontier else "beaten"
    lines = [f"{probability_text(point, front.y)}, {state}"]
    ties = point.ties.get(front.y.name, ()) if point.variant.id in detailed else ()
    if ties:
        named = ", ".join(labels.full(variant) for variant in ties[:TIES_NAMED])
        unnamed = f" and {len(ties) - TIES_NAMED} more" if len(ties) > TIES_NAMED else ""
        lines.append(f"no sure difference in {front.y.title} from {named}{unnamed}")
    return tuple(lines)


def probability_text(point: FrontierPoint, axis: Axis) -> str:
    if lacks_uncertainty(point.variant, axis):
        return "probability - (no uncertainty is known)"
    return f"probability {share(point.probability)}"


def points_of_advice(advice: Advice, cost: str = SIZE) -> TradeOff:
    """All candidates of an advice by what ranks them; `cost` is artifact_bytes or decode_tps, which
    is predicted where nothing was measured. Those over a limit are never on the frontier."""
    axes = AXES[cost], AXES[advice.quality.axis]
    over = {lost.variant.id for lost in advice.rejected if lost.kind == "limit"}
    reasons = {lost.variant.id: lost.reason for lost in advice.rejected}
    placed = [
        (candidate, x, y)
        for candidate in advice.candidates
        if (x := _cost_of(candidate, axes[0])) and (y := figure_on(candidate.variant, axes[1]))
    ]
    within = [i for i, (candidate, _, _) in enumerate(placed) if candidate.variant.id not in over]
    best = {within[i] for i in _unbeaten([placed[i][1:] for i in within], axes)}
    points = [
        TradePoint(
            variant=candidate.variant,
            x=x,
            y=y,
            on_frontier=i in best,
            barred=len(placed) <= POINTS_WITH_TIES or i in best,
            over_limit=candidate.variant.id in over,
            lines=_evidence(candidate, reasons.get(candidate.variant.id, "")),
        )
        for i, (candidate, x, y) in enumerate(placed)
    ]
    return TradeOff(*axes, tuple(points))


def _cost_of(candidate: Candidate, axis: Axis) -> Interval | None:
    if axis.name != DECODE_TPS:
        return figure_on(candidate.variant, axis)
    rate: Figure | None = candidate.figures.get(DECODE)
    return Interval(rate.value, rate.low, rate.high) if rate else None


def _evidence(candidate: Candidate, reason: str) -> tuple[str, ...]:
    rate = candidate.figures.get(DECODE)
    lines = [f"{DECODE} {rate.evidence.text}"] if rate else []
    return (*lines, f"not the pick: {reason}") if reason else tuple(lines)


def _unbeaten(
    places: Sequence[tuple[Interval, Interval]], axes: tuple[Axis, Axis]
) -> Sequence[int]:
    """Which places none beats at the measured values."""
    if not places:
        return ()
    goods = [
        np.array([[place[i].value for place in places]]) * (1 if axis.better == "higher" else -1)
        for i, axis in enumerate(axes)
    ]
    return np.flatnonzero(undominated(goods[0], goods[1])[0]).tolist()


def hover(point: TradePoint, trade_off: TradeOff, labels: Labels) -> str:
    """Name, both values with intervals, and the point's own lines."""
    values = [
        f"{axis.title} {axis_text(value, axis)}"
        for axis, value in ((trade_off.x, point.x), (trade_off.y, point.y))
    ]
    name = f"<b>{inert(labels.full(point.variant))}</b>"
    return "<br>".join([name, *values, *map(inert, point.lines)])
