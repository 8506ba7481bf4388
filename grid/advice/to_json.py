"""Advice as plain data, for `grid recommend --json`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from grid.advice.advice import Advice, Candidate, Figure, Step
from grid.advice.sentences import certainty_text, headline
from grid.analysis import Variant
from grid.results.statistics import Interval


def to_data(advice: Advice) -> dict[str, Any]:
    """JSON-ready; bytes, seconds, token/s and shares of 1 throughout. None is not known."""
    return {
        "answer": headline(advice),
        "ask": asdict(advice.ask),
        "hardware": advice.hardware,
        "budget_bytes": advice.budget_bytes,
        "budget_why": advice.budget_why,
        "weights": dict(advice.weights),
        "classes_not_measured": list(advice.absent),
        "limits": list(advice.limits),
        "pick": _candidate(advice.pick),
        "runner_up": _candidate(advice.runner_up),
        "runner_up_why": advice.runner_why,
        "best": _variant(advice.best.variant) if advice.best else None,
        "gap": _interval(advice.gap),
        "sure": advice.sure,
        "tolerance": advice.tolerance,
        "how_sure": certainty_text(advice),
        "costs": [
            {
                "limit": cost.limit,
                "demand": cost.demand,
                "without": _variant(cost.without),
                "capability": _interval(cost.capability),
                "text": cost.text,
            }
            for cost in advice.costs
        ],
        "steps": [_step(step) for step in advice.steps],
        "rejected": [
            {**(_variant(lost.variant) or {}), "kind": lost.kind, "reason": lost.reason}
            for lost in advice.rejected
        ],
        "relax": [
            {
                "limit": one.limit,
                "now": one.now,
                "to": one.to,
                "together": one.together,
                "text": one.text,
            }
            for one in advice.relax
        ],
        "contradictory": advice.contradictory,
        "replay": advice.replay,
        "notes": list(advice.notes),
    }


def _candidate(candidate: Candidate | None) -> dict[str, Any] | None:
    if candidate is None:
        return None
    return {
        **(_variant(candidate.variant) or {}),
        "context": candidate.context,
        "weights_bytes": candidate.weights_bytes,
        "kv_bytes": candidate.kv_bytes,
        "overhead_bytes": candidate.overhead_bytes,
        "figures": {name: _figure(one) for name, one in candidate.figures.items()},
        "notes": list(candidate.notes),
    }


def _figure(figure: Figure) -> dict[str, Any]:
    evidence = asdict(figure.evidence)
    return {"value": figure.value, "low": figure.low, "high": figure.high, "evidence": evidence}


def _step(step: Step) -> dict[str, Any]:
    return {
        "direction": step.direction,
        "to": _candidate(step.candidate),
        "bytes_more": step.bytes_more,
        "capability": _interval(step.capability),
        "classes": [
            {"task_class": one.task_class, "sure": one.sure, **(_interval(one.change) or {})}
            for one in step.classes
        ],
        "speed": step.speed,
        "blocked": step.blocked,
        "text": step.text,
    }


def _variant(variant: Variant | None) -> dict[str, Any] | None:
    if variant is None:
        return None
    return {
        "model": variant.model,
        "quant": variant.quant,
        "backend": variant.backend,
        "options": variant.options,
        "artifact_id": variant.artifact_id,
        "bytes": variant.artifact_bytes,
        "origin": variant.origin,
        "licence": variant.licence,
    }


def _interval(interval: Interval | None) -> dict[str, float | None] | None:
    if interval is None:
        return None
    return {"value": interval.value, "low": interval.low, "high": interval.high}
