"""Frontiers and picks as plain data, for `grid show --json`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grid.analysis import (
    AXES,
    METHOD,
    Frontier,
    FrontierPoint,
    Pick,
    Variant,
    frontier,
)
from grid.analysis.axes import axis_of, figure_on, lacks_uncertainty
from grid.analysis.dataset import Dataset
from grid.analysis.flips import Flips, flips
from grid.analysis.quality_order import CAPABILITY
from grid.analysis.quality_views import QualityView, quality_views
from grid.analysis.text_draws import TEXT_AXES, TEXT_METHOD
from grid.cli.views.quality_picks import QualityPicks
from grid.errors import InputError
from grid.results.statistics import Interval

QUALITY_AXES = (CAPABILITY, *TEXT_AXES)

VIEWS = (("artifact_bytes", "size"), ("decode_tps", "speed"))
"""Frontiers shown: axis beside quality, and its name in headings."""


CostViews = Sequence[tuple[str, str]]


def cost_view(name: str) -> tuple[str, str]:
    """Of an axis that a user names. Raises InputError for a name of none, and of quality."""
    axis = axis_of(name)
    if axis.name in QUALITY_AXES:
        raise InputError(f"{name} is quality; --x names what it is set against, such as decode_tps")
    return axis.name, axis.title


def class_json(dataset: Dataset, name: str, costs: CostViews = VIEWS) -> dict[str, Any]:
    """One hardware class: method, what ranks the variants and why (`quality`), frontiers with every
    point, picks with why each rival lost. What KLD or perplexity ranks names its `model`, for these
    never compare models."""
    posterior = dataset.posterior(name)
    views = quality_views(posterior) or (QualityView(AXES[CAPABILITY], posterior),)
    return {
        "method": METHOD,
        "quality": [
            {
                "axis": view.axis.name,
                **_model_json(view),
                "variants": len(view.ranked),
                "why": view.reason if view.ranked else "",
                "doubt": view.doubt,
                "method": METHOD if view.axis.name == CAPABILITY else TEXT_METHOD,
            }
            for view in views
        ],
        "frontiers": [
            {
                "x": cost,
                "y": view.axis.name,
                **_model_json(view),
                "unit": AXES[cost].unit,
                **_front_json(view, cost),
            }
            for view in views
            for cost, _ in costs
        ],
        "picks": [pick for view in views for pick in _picks_json(dataset, name, view)],
        "flips": [_flips_json(row) for row in flips(posterior.variants) if row.n],
    }


def _flips_json(row: Flips) -> dict[str, Any]:
    """Answers that turned from those of 16 bits, of `items` that both were asked."""
    return {
        "id": row.variant.id,
        "label": row.variant.label,
        "reference": row.reference.id if row.reference else None,
        "items": row.n,
        "turned": _interval_json(row.turned),
        "to_wrong": _interval_json(row.to_wrong),
        "to_right": _interval_json(row.to_right),
    }


def _model_json(view: QualityView) -> dict[str, str]:
    """Whose variants they are; nothing where all models are."""
    return {"model": view.model, "origin": view.origin} if view.model else {}


def _front_json(view: QualityView, cost: str) -> dict[str, Any]:
    front = frontier(view.posterior, cost, view.axis.name)
    return {
        "points": [_point_json(point, front) for point in front.points],
        "left_out": [
            {"id": variant.id, "label": variant.label, "why": why}
            for variant, why in front.left_out
        ],
    }


def _picks_json(dataset: Dataset, name: str, view: QualityView) -> list[dict[str, Any]]:
    picks = QualityPicks(dataset, name, view)
    return [
        {
            "limits": pick.limits,
            "axis": picks.axis.name,
            **_model_json(view),
            **_pick_json(pick),
        }
        for pick in picks.picks
    ]


def _point_json(point: FrontierPoint, front: Frontier) -> dict[str, Any]:
    x = figure_on(point.variant, front.x)
    return {
        **_variant_json(point.variant),
        "x": point.x,
        "x_low": x and x.low,
        "x_high": x and x.high,
        "y": point.y,
        "on": point.on_frontier,
        "probability": point.probability,
        "how_sure_is_known": not lacks_uncertainty(point.variant, front.y),
        "ties": {axis: [variant.id for variant in tied] for axis, tied in point.ties.items()},
    }


def _pick_json(pick: Pick) -> dict[str, Any]:
    return {
        "pick": _variant_json(pick.variant) if pick.variant else None,
        "smallest_tied": pick.smallest.label if pick.smallest else None,
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
        "size": variant.size_text,
        "parameters": variant.parameters or None,
        "active_parameters": variant.active_parameters,
        "parameters_from": variant.parameters_from,
        "experts": variant.experts,
        "capability": _interval_json(variant.capability),
        "tasks": _tasks_json(variant),
        "decode_tps": _interval_json(variant.decode_tps),
        "kld_mean": _interval_json(variant.kld_mean),
        "perplexity": _interval_json(variant.perplexity),
        **_categories_json(variant),
    }


def _categories_json(variant: Variant) -> dict[str, Any]:
    """KL divergence by the category of the text, of texts that have one."""
    figures = {name: _interval_json(kld) for name, kld in variant.kld_by_text.items()}
    return {"kld_by_text": figures} if figures else {}


def _tasks_json(variant: Variant) -> dict[str, dict[str, Any]]:
    """Each task with its class, capability and number of items."""
    return {
        task: {
            "class": name,
            **(_interval_json(result.capability) or {}),
            "items": result.capability.n,
        }
        for name, tasks in variant.tasks.items()
        for task, result in tasks.items()
    }


def _interval_json(interval: Interval | None) -> dict[str, float | None] | None:
    """Without its method and number of samples."""
    if interval is None:
        return None
    return {"value": interval.value, "low": interval.low, "high": interval.high}
