"""Weights of task classes for a use, over those that were measured."""

from __future__ import annotations

from collections.abc import Sequence

from grid.advice.ask import USES, Ask
from grid.analysis import Variant
from grid.analysis.class_weights import class_weights, shared_classes
from grid.errors import InputError


def use_weights(variants: Sequence[Variant], ask: Ask) -> tuple[dict[str, float], tuple[str, ...]]:
    """Weights of task classes, which sum to 1, and the classes that the use weighs but nobody
    measured: the ask's own weights, or those of its use over the measured classes.

    Raises InputError for own weights of a class that was not measured, and where nothing that the
    use weighs was.
    """
    classes = {name for variant in variants for name in variant.classes}
    if not classes:
        raise InputError(
            "no variant that could run there has a capability: a sweep measures it with "
            'measures = [..., "tasks"]'
        )
    if ask.weights:
        return class_weights(classes, ask.weights), ()
    wanted = USES[ask.use]
    if not wanted:
        return class_weights(shared_classes(variants)), ()
    present = {name: weight for name, weight in wanted.items() if name in classes}
    if not present:
        raise InputError(
            f"nothing that the use {ask.use} weighs was measured ({', '.join(sorted(wanted))}); "
            f"measured: {', '.join(sorted(classes))}"
        )
    return class_weights(classes, present), tuple(sorted(set(wanted) - classes))
