"""Weights of task classes for a use, over those that were measured."""

from __future__ import annotations

from collections.abc import Sequence

from grid.advice.ask import USES, Ask
from grid.analysis import Variant
from grid.analysis.class_weights import class_weights, shared_classes
from grid.errors import InputError


def weights_of(found: Sequence[Variant], ask: Ask) -> tuple[dict[str, float], tuple[str, ...]]:
    """Weights of the ask's own, or of its use over the classes that were measured; and the classes
    that the use weighs but nobody measured.

    Raises InputError for own weights of a class that was not measured, and where nothing that the
    use weighs was.
    """
    known = {name for variant in found for name in variant.classes}
    if not known:
        raise InputError(
            "no variant that could run there has a capability: a sweep measures it with "
            'measures = [..., "tasks"]'
        )
    if ask.weights:
        return class_weights(known, ask.weights), ()
    wanted = USES[ask.use]
    if not wanted:
        return class_weights(shared_classes(found)), ()
    present = {name: weight for name, weight in wanted.items() if name in known}
    if not present:
        raise InputError(
            f"nothing that the use {ask.use} weighs was measured ({', '.join(sorted(wanted))}); "
            f"measured: {', '.join(sorted(known))}"
        )
    return class_weights(known, present), tuple(sorted(set(wanted) - known))
