"""What recipes come to for one model: what they fall back to, and which make the same tensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from grid.backend import Backend, PredictedTypes, PredictsTypes, Recipe
from grid.errors import EngineError, InputError

Content = tuple[bool, frozenset[tuple[str, str]]]
"""Whether a calibration set weighs the values; name and type of every tensor."""


class RecipeOutcomes(NamedTuple):
    """By quant, for one maker and model: what it falls back to, and why it is not made."""

    notes: Mapping[str, str]
    duplicates: Mapping[str, str]


def recipe_outcomes(
    maker: Backend, headers: Path, base: str, wanted: Mapping[str, Recipe]
) -> RecipeOutcomes:
    """Fall-backs and duplicates among the quants that a maker is to make of a source, whose headers
    are at `headers`, and the 16-bit quant `base` that it starts from; `wanted` has the quants'
    recipes.

    Of quants with the same type for every tensor one is made: the base, else the one with the
    fewest fall-backs, then of the fewest nominal bits; so the choice does not depend on the order
    in which they are asked for.
    """
    start = maker.recipes().get(base)
    recipes = {**({base: start} if start else {}), **wanted}
    predictions = _predictions(maker, headers, recipes)
    groups: dict[Content, list[str]] = {}
    for quant, prediction in predictions.items():
        content = (recipes[quant].calibrated, frozenset(prediction.tensor_types.items()))
        groups.setdefault(content, []).append(quant)

    def rank(quant: str) -> tuple[bool, int, float, str]:
        return quant != base, predictions[quant].fallbacks, recipes[quant].bits, quant

    duplicates: dict[str, str] = {}
    for group in groups.values():
        first, *others = sorted(group, key=rank)
        for quant in others:
            duplicates[quant] = _reason(first, predictions[quant])
    notes = {quant: prediction.note for quant, prediction in predictions.items() if prediction.note}
    return RecipeOutcomes(notes, duplicates)


def _predictions(
    maker: Backend, headers: Path, recipes: Mapping[str, Recipe]
) -> dict[str, PredictedTypes]:
    """Of the quants whose types can be told; empty for a maker that tells none."""
    if not isinstance(maker, PredictsTypes):
        return {}
    predictions: dict[str, PredictedTypes] = {}
    for quant, recipe in recipes.items():
        try:
            predictions[quant] = maker.predicted_types(headers, recipe.name)
        except (InputError, EngineError):
            continue  # cannot be made, or not told: `predicted_bytes` says why
    return predictions


def _reason(first: str, prediction: PredictedTypes) -> str:
    cause = f" ({prediction.cause})" if prediction.cause else ""
    return f"same tensors as {first} for this model{cause}"
