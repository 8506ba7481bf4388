"""Weights of task classes in the composite capability."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from grid.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from grid.analysis.variant import Variant


def class_weights(
    measured_classes: Collection[str], weights: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Weights that sum to 1 over the classes with a weight above 0; equal where none are given.

    Raises InputError for a class that was not measured, for a weight that is negative or not
    finite, and where all are 0.
    """
    for name, weight in (weights or {}).items():
        if name not in measured_classes:
            hint = did_you_mean(name, measured_classes)
            raise InputError(f"no results for task class {name!r}. {hint}".strip())
        if not math.isfinite(weight) or weight < 0:
            raise InputError(f"weight {weight:g} of {name!r} is unusable; give a number from 0 up")
    raw = dict(weights) if weights else dict.fromkeys(measured_classes, 1.0)
    total = sum(raw.values())
    if raw and total == 0:
        raise InputError("all class weights are 0; give at least one class a weight above 0")
    return {name: weight / total for name, weight in sorted(raw.items()) if weight > 0}


def shared_classes(group: Sequence[Variant]) -> set[str]:
    """Task classes that every model with any has in at least one variant, so that models are
    compared on what all of them were asked; all classes where they share none."""
    of_model: defaultdict[str, set[str]] = defaultdict(set)
    for variant in group:
        of_model[variant.model] |= set(variant.classes)
    class_sets = [classes for classes in of_model.values() if classes]
    return set.intersection(*class_sets) or set.union(*class_sets) if class_sets else set()
