"""What a preset comes to for a model's shapes: fall-backs, and what cannot be stored at all."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from grid.backend import InputError, PredictedTypes, Unsupported, did_you_mean
from grid.models.gguf.ggml_types import TYPES_BY_NAME
from grid.models.gguf.inventory import Hyperparameters, UnquantizedTensor
from grid.models.gguf.presets import TypeChoice, quantizable, type_choices
from grid_llamacpp.recipes import EXPERTS_ONLY, RECIPES, Preset, parse

Inventory = Sequence[UnquantizedTensor]


def types_of(inventory: Inventory, model: Hyperparameters, recipe: str) -> PredictedTypes:
    """The types that a preset stores for a model, and what it falls back to.

    Raises InputError for an unknown preset, Unsupported for one that cannot store these rows.
    """
    preset = parse(recipe)
    refuse_misfit(inventory, model, preset)
    choices = _type_choices(inventory, model, preset)
    types = {name: choice.stored for name, choice in choices.items()}
    fallbacks = {name: choice for name, choice in choices.items() if choice.falls_back}
    if not fallbacks:
        return PredictedTypes(types)
    cause = _cause([tensor for tensor in inventory if tensor.name in fallbacks], model, fallbacks)
    matrices = sum(quantizable(tensor, model.architecture) for tensor in inventory)
    verb = "falls" if len(fallbacks) == 1 else "fall"
    note = f"{len(fallbacks)} of {matrices} matrices {verb} back {_targets(fallbacks)}; {cause}"
    return PredictedTypes(types, len(fallbacks), note, cause)


def refuse_misfit(inventory: Inventory, model: Hyperparameters, preset: Preset) -> None:
    """Raise Unsupported for a preset that cannot store these tensors, naming the nearest in bits
    that does."""
    if preset.name == EXPERTS_ONLY and not any("_exps" in tensor.name for tensor in inventory):
        raise Unsupported(f"{preset.name} is for mixtures of experts; Q8_0 works")
    try:
        _type_choices(inventory, model, preset)
    except Unsupported as error:
        nearest = _nearest(inventory, model, preset.name)
        raise Unsupported(f"{error}; {nearest} works") from None


def refuse_unmatched(inventory: Inventory, model: Hyperparameters, preset: Preset) -> None:
    """Raise InputError for a change of the recipe that applies to no tensor of the model."""
    matrices = [tensor.name for tensor in inventory if quantizable(tensor, model.architecture)]
    deciding = {preset.changes.matching(name) for name in matrices}
    for index, (pattern, _) in enumerate(preset.changes.tensors):
        if index not in deciding:
            earlier = any(re.search(pattern, name) for name in matrices)
            parts = {part for name in matrices for part in name.split(".")[-2:-1]}
            hint = "an earlier pattern takes all of its tensors" if earlier else ""
            raise InputError(
                f"tensor_types: {pattern!r} applies to no matrix of this model; "
                f"{hint or did_you_mean(pattern, sorted(parts))}"
            )
    tied = "output.weight" not in matrices
    if tied and preset.changes.output and preset.changes.token_embedding:
        raise InputError(
            "output: this model has no output matrix of its own, its embedding serves as one; "
            "leave output out"
        )


def _type_choices(
    inventory: Inventory, model: Hyperparameters, preset: Preset
) -> dict[str, TypeChoice]:
    return type_choices(
        inventory,
        model,
        preset.name,
        importance_matrix=preset.matrix,
        changes=preset.changes,
    )


def _nearest(inventory: Inventory, model: Hyperparameters, recipe: str) -> str:
    """Of the presets that store most matrices as they mean to, the one nearest in bits."""

    def distance(name: str) -> tuple[bool, float]:
        falls_back = [choice.falls_back for choice in fitting[name].values()]
        return 2 * sum(falls_back) > len(falls_back), abs(RECIPES[name].bits - RECIPES[recipe].bits)

    choices = {name: _choices(inventory, model, name) for name in RECIPES if name != EXPERTS_ONLY}
    fitting = {name: types for name, types in choices.items() if types}
    return min(fitting, key=distance)


def _choices(inventory: Inventory, model: Hyperparameters, recipe: str) -> Mapping[str, TypeChoice]:
    """Empty where the preset cannot store the tensors."""
    try:
        return _type_choices(inventory, model, parse(recipe))
    except Unsupported:
        return {}


def _targets(fallbacks: Mapping[str, TypeChoice]) -> str:
    """`to Q5_0`, or `(150 to Q5_0, 30 to Q8_0)`."""
    counts = Counter(choice.stored.upper() for choice in fallbacks.values())
    if len(counts) == 1:
        return f"to {next(iter(counts))}"
    return f"({', '.join(f'{count} to {kind}' for kind, count in counts.most_common())})"


def _cause(tensors: Inventory, model: Hyperparameters, fallbacks: Mapping[str, TypeChoice]) -> str:
    rows = sorted({row for tensor in tensors if (row := model.row(tensor)) is not None})
    block = max(TYPES_BY_NAME[choice.meant].block for choice in fallbacks.values())
    return f"rows of {' and '.join(map(str, rows))} are no multiple of {block}"
