"""Advice as plain data, for `grid recommend --json`."""

from __future__ import annotations

from typing import Any

import msgspec

from grid.advice.advice import DECODE, Advice, Candidate, Compromise, Cost, FrontierStep
from grid.advice.closeness import closeness_text
from grid.advice.measure_more import MeasureMore
from grid.advice.more_memory import Upgrade
from grid.advice.reason import reason_text
from grid.advice.sentences import certainty_text, headline
from grid.advice.serving import Serving
from grid.advice.sessions import sessions_data
from grid.advice.split_placement import Split
from grid.analysis import Rejection, Variant
from grid.results.statistics import Interval


def to_data(advice: Advice) -> dict[str, Any]:
    """JSON-ready; bytes, seconds, token/s and shares of 1 throughout. None is not known."""
    data = {
        "answer": headline(advice),
        **_fields(advice, "ask hardware budget_bytes budget_why quality weights"),
        "classes_not_measured": advice.absent,
        **_fields(advice, "limits"),
        "pick": _candidate(advice.pick),
        "smaller": _compromise(advice.smaller_choice),
        "faster": _compromise(advice.faster_choice),
        "share_of_16_bits": _interval(advice.share),
        "runner_up": _candidate(advice.runner_up),
        "runner_up_why": advice.runner_why,
        "best": _variant(advice.best.variant) if advice.best else None,
        "gap": _interval(advice.gap),
        "smallest_tied": _variant(advice.smallest.variant) if advice.smallest else None,
        **_fields(advice, "sure tolerance expected_loss"),
        "reason": reason_text(advice),
        "closeness": closeness_text(advice),
        "how_sure": certainty_text(advice),
        "measure_more": _measure_more(advice.measure_more),
        "costs": [_cost(cost) for cost in advice.costs],
        "steps": [_step(step) for step in advice.steps],
        "rejected": [_rejection(rejection) for rejection in advice.rejected],
        "relax": [_fields(step, "limit now to together text") for step in advice.relax],
        "serving": _serving(advice.serving),
        "sessions": sessions_data(
            advice.pick.figures.get(DECODE) if advice.pick else None, advice.ask.sessions
        ),
        "upgrades": [_upgrade(step) for step in advice.upgrades],
        **_fields(advice, "contradictory replay notes"),
    }
    return dict(msgspec.to_builtins(data))


def _fields(value: object, names: str) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names.split()}


def _variant(variant: Variant | None) -> dict[str, Any] | None:
    if variant is None:
        return None
    return {
        **_fields(variant, "model quant backend options artifact_id"),
        "bytes": variant.artifact_bytes,
        **_fields(variant, "origin licence"),
    }


def _interval(interval: Interval | None) -> dict[str, Any] | None:
    return None if interval is None else _fields(interval, "value low high")


def _candidate(candidate: Candidate | None) -> dict[str, Any] | None:
    if candidate is None:
        return None
    names = "context weights_bytes kv_bytes overhead_bytes figures notes"
    return {
        **(_variant(candidate.variant) or {}),
        **_fields(candidate, names),
        "placement": _placement(candidate.split),
    }


def _compromise(choice: Compromise | None) -> dict[str, Any] | None:
    """`size` and `speed` over the pick's, changes from the pick."""
    if choice is None:
        return None
    return {
        **(_candidate(choice.candidate) or {}),
        "size_ratio": choice.size,
        "speed_ratio": _interval(choice.speed),
        "capability": _interval(choice.capability),
        "kld": _interval(choice.kld),
        "text": choice.text,
    }


def _placement(split: Split | None) -> dict[str, Any] | None:
    """None where all of it is on one device."""
    if split is None:
        return None
    names = "card_bytes main_bytes layers cpu_layers expert_layers flags text"
    return {**_fields(split.placement, "gpu_layers cpu_expert_layers"), **_fields(split, names)}


def _rejection(rejection: Rejection) -> dict[str, Any]:
    return {**(_variant(rejection.variant) or {}), **_fields(rejection, "kind reason")}


def _cost(cost: Cost) -> dict[str, Any]:
    return {
        **_fields(cost, "limit demand"),
        "without": _variant(cost.without),
        "capability": _interval(cost.capability),
        "kld": _interval(cost.kld),
        "text": cost.text,
    }


def _measure_more(needed: MeasureMore | None) -> dict[str, Any] | None:
    if needed is None:
        return None
    return {
        "variants": [_variant(variant) for variant in needed.variants],
        **_fields(needed, "unit have need seconds setting command text"),
    }


def _upgrade(step: Upgrade) -> dict[str, Any]:
    return {
        **_fields(step, "more_bytes bandwidth changes text"),
        "pick": _candidate(step.pick),
        "capability": _interval(step.capability),
        "kld": _interval(step.kld),
    }


def _step(step: FrontierStep) -> dict[str, Any]:
    return {
        "direction": step.direction,
        "to": _candidate(step.candidate),
        "bytes_more": step.bytes_more,
        "capability": _interval(step.capability),
        "kld": _interval(step.kld),
        "classes": [
            {**_fields(change, "task_class sure"), **_fields(change.change, "value low high")}
            for change in step.classes
        ],
        **_fields(step, "speed blocked text"),
    }


def _serving(serving: Serving | None) -> dict[str, Any] | None:
    """With each way as text for a shell, and apart: arguments, variables, files."""
    if serving is None:
        return None
    commands = [
        {
            **_fields(command, "program url notes"),
            "text": command.text(),
            "files": command.files,
            "commands": [_fields(line, "argv environment background") for line in command.commands],
        }
        for command in serving.commands
    ]
    return {**_fields(serving, "weights assumed why_not"), "commands": commands}
