"""What a preset comes to for a model's shapes: fall-backs, and what cannot be stored at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from grid.backend import PredictedTypes, Unsupported
from grid.models.gguf.ggml_types import TYPES_BY_NAME
from grid.models.gguf.inventory import Hyperparameters, UnquantizedTensor
from grid.models.gguf.presets import TypeChoice, quantizable, type_choices
from grid_llamacpp.recipes import EXPERTS_ONLY, RECIPES

Inventory = Sequence[UnquantizedTensor]


def types_of(inventory: Inventory, model: Hyperparameters, recipe: str) -> PredictedTypes:
    """The types that a preset stores for a model, and what it falls back to.

    Raises InputError for an unknown preset, Unsupported for one that cannot store these rows.
    """
    refuse_misfit(inventory, model, recipe)
    choices = type_choices(inventory, model, recipe)
    types = {name: choice.stored for name, choice in choices.items()}
    fallbacks = {name: choice for name, choice in choices.items() if choice.falls_back}
    if not fallbacks:
        return PredictedTypes(types)
    cause = _cause([tensor for tensor in inventory if tensor.name in fallbacks], model, fallbacks)
    matrices = sum(quantizable(tensor, model.architecture) for tensor in inventory)
    verb = "falls" if len(fallbacks) == 1 else "fall"
    note = f"{len(fallbacks)} of {matrices} matrices {verb} back {_targets(fallbacks)}; {cause}"
    return PredictedTypes(types, len(fallbacks), note, cause)


def refuse_misfit(inventory: Inventory, model: Hyperparameters, recipe: str) -> None:
    """Raise Unsupported for a preset that cannot store these tensors, naming the nearest in bits
    that does."""
    if recipe == EXPERTS_ONLY and not any("_exps" in tensor.name for tensor in inventory):
        raise Unsupported(f"{recipe} is for mixtures of experts; Q8_0 works")
    try:
        type_choices(inventory, model, recipe)
    except Unsupported as error:
        nearest = _nearest(inventory, model, recipe)
        raise Unsupported(f"{error}; {nearest} works") from None


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
        return type_choices(inventory, model, recipe)
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
