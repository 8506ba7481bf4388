"""Frontiers and picks as plain data, for `grid frontier --json`."""

from __future__ import annotations

from typing import Any

from grid.analysis import (
    AXES,
    METHOD,
    FrontierPoint,
    Limits,
    Pick,
    Posterior,
    Variant,
    frontier,
    picks,
    typical_limits,
)
from grid.results.statistics import Interval

VIEWS = (("artifact_bytes", "quality vs size"), ("decode_tps", "quality vs speed"))
"""Frontiers shown: axis beside capability, and heading."""


def class_data(belief: Posterior) -> dict[str, Any]:
    """One hardware class: method, frontiers with every point, picks with why each rival lost."""
    return {
        "method": METHOD,
        "frontiers": [
            {
                "x": axis,
                "y": "capability",
                "unit": AXES[axis].unit,
                "points": [_point_data(point) for point in frontier(belief, axis).points],
            }
            for axis, _ in VIEWS
        ],
        "picks": [_pick_data(pick) for pick in picks(belief, typical_limits(belief.variants))],
    }


def _point_data(point: FrontierPoint) -> dict[str, Any]:
    return {
        **_variant_data(point.variant),
        "x": point.x,
        "y": point.y,
        "on": point.on,
        "probability": point.probability,
        "ties": {axis: [one.id for one in tied] for axis, tied in point.ties.items()},
    }


def _pick_data(pick: Pick) -> dict[str, Any]:
    limits: Limits = pick.limits
    return {
        "limits": {name: getattr(limits, name) for name in limits.__dataclass_fields__},
        "pick": _variant_data(pick.variant) if pick.variant else None,
        "tied": [variant.label for variant in pick.tied],
        "rejected": [
            {"variant": lost.variant.label, "kind": lost.kind, "reason": lost.reason}
            for lost in pick.rejected
        ],
        "relax": [step.text for step in pick.relax],
    }


def _variant_data(variant: Variant) -> dict[str, Any]:
    return {
        "id": variant.id,
        "model": variant.model,
        "quant": variant.quant,
        "backend": variant.backend,
        "origin": variant.origin,
        "licence": variant.licence,
        "bytes": variant.artifact_bytes,
        "capability": _interval_data(variant.capability),
        "decode_tps": _interval_data(variant.decode_tps),
        "kld_mean": _interval_data(variant.kld_mean),
    }


def _interval_data(interval: Interval | None) -> dict[str, float | None] | None:
    if interval is None:
        return None
    return {"value": interval.value, "low": interval.low, "high": interval.high}
