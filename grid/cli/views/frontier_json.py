"""Frontiers and picks as plain data, for `grid frontier --json`."""

from __future__ import annotations

from typing import Any

from grid.analysis import (
    AXES,
    METHOD,
    FrontierPoint,
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


def class_json(posterior: Posterior) -> dict[str, Any]:
    """One hardware class: method, frontiers with every point, picks with why each rival lost."""
    return {
        "method": METHOD,
        "frontiers": [
            {
                "x": axis,
                "y": "capability",
                "unit": AXES[axis].unit,
                "points": [_point_json(point) for point in frontier(posterior, axis).points],
            }
            for axis, _ in VIEWS
        ],
        "picks": [
            _pick_json(pick) for pick in picks(posterior, typical_limits(posterior.variants))
        ],
    }


def _point_json(point: FrontierPoint) -> dict[str, Any]:
    return {
        **_variant_json(point.variant),
        "x": point.x,
        "y": point.y,
        "on": point.on_frontier,
        "probability": point.probability,
        "ties": {axis: [variant.id for variant in tied] for axis, tied in point.ties.items()},
    }


def _pick_json(pick: Pick) -> dict[str, Any]:
    return {
        "limits": pick.limits,
        "pick": _variant_json(pick.variant) if pick.variant else None,
        "tied": [variant.label for variant in pick.tied],
        "rejected": [
            {"variant": lost.variant.label, "kind": lost.kind, "reason": lost.reason}
            for lost in pick.rejected
        ],
        "relax": [step.text for step in pick.relax],
    }


def _variant_json(variant: Variant) -> dict[str, Any]:
    return {
        "id": variant.id,
        "model": variant.model,
        "quant": variant.quant,
        "backend": variant.backend,
        "origin": variant.origin,
        "licence": variant.licence,
        "bytes": variant.artifact_bytes,
        "capability": _interval_json(variant.capability),
        "decode_tps": _interval_json(variant.decode_tps),
        "kld_mean": _interval_json(variant.kld_mean),
    }


def _interval_json(interval: Interval | None) -> dict[str, float | None] | None:
    """Without its method and number of samples."""
    if interval is None:
        return None
    return {"value": interval.value, "low": interval.low, "high": interval.high}
