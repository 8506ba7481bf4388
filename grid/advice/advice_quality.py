"""What advice ranks candidates by: tasks, or without any one model's closeness to 16 bits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from grid.advice.ask import Ask
from grid.analysis import Variant
from grid.analysis.quality_order import CAPABILITY, KLD
from grid.analysis.quality_views import HOW_TO_MEASURE_TASKS, text_axis
from grid.errors import InputError, did_you_mean, name_some

NOTHING_COMPARES = "no tasks were run, and KL divergence compares variants of one model only"


class SeveralModels(InputError):
    """Nothing compares the models: no tasks were run. `models` are those that may be chosen."""

    def __init__(self, models: Sequence[str]) -> None:
        self.models = tuple(models)
        super().__init__(
            f"{NOTHING_COMPARES}: choose one with --model ({name_some(models, NAMED)}), or "
            f"measure tasks ({HOW_TO_MEASURE_TASKS})"
        )


NAMED = 5
"""Models that the error names."""


@dataclass(frozen=True)
class AdviceQuality:
    """The axis that ranks candidates (capability, kld_mean or perplexity), and why, in a sentence;
    `model` is the one that a text ranks, empty for capability."""

    axis: str = CAPABILITY
    why: str = "capability: what tasks measured"
    model: str = ""


def of_model(variants: Sequence[Variant], model: str | None) -> list[Variant]:
    """The variants of a model, or all. Raises InputError for a model that has none."""
    if model is None:
        return list(variants)
    names = {variant.model for variant in variants}
    if model not in names:
        raise InputError(
            f"no variant of a model {model!r} could run there. {did_you_mean(model, names)}".strip()
        )
    return [variant for variant in variants if variant.model == model]


def quality_of(variants: Sequence[Variant], ask: Ask) -> AdviceQuality:
    """What ranks the variants. Capability where anything was asked, or where nothing ranks them.

    Raises SeveralModels where no tasks were run and several models have a KL divergence.
    """
    groups: defaultdict[tuple[str, str], list[Variant]] = defaultdict(list)
    for variant in variants:
        groups[variant.model, variant.origin].append(variant)
    axes = {key: axis for key, group in groups.items() if (axis := text_axis(group))}
    if any(v.classes for v in variants) or ask.weights or not axes:
        return AdviceQuality()
    if len(axes) > 1:
        raise SeveralModels(sorted({model for model, _ in axes}))
    ((model, _), axis), *_ = axes.items()
    measured = "closeness to 16 bits, by KL divergence (nat, 0 is 16 bits)"
    if axis != KLD:
        measured = "perplexity of one text, for there is no KL divergence"
    return AdviceQuality(axis, f"{measured}: task scores of {model} were not measured", model)
