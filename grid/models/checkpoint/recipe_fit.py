"""Whether a recipe can be made of a checkpoint's matrices, known from their shapes alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from grid.errors import Unsupported
from grid.models.checkpoint.layouts import Scheme
from grid.models.checkpoint.safetensors import SafetensorsTensor
from grid.models.checkpoint.sizes import scheme_of, wants_packed

_GROUP = re.compile(r"g(?:col|\d+)")
_COLUMN = -1


class Multiples(NamedTuple):
    """What the sides of a packed matrix must be multiples of, whatever the group."""

    inputs: int = 1
    outputs: int = 1


NO_MULTIPLES = Multiples()


def refuse_misfit(
    tensors: Sequence[SafetensorsTensor],
    recipe: str,
    recipes: Iterable[str],
    multiples: Multiples = NO_MULTIPLES,
) -> None:
    """Raise Unsupported where `recipe` does not fit the tensors of a 16-bit checkpoint, naming the
    one of `recipes` that differs in its group only and does."""
    reason = misfit(tensors, recipe, multiples)
    if reason:
        fitting = _fitting_sibling(tensors, recipe, recipes, multiples)
        advice = f"{fitting} works" if fitting else "no other group works either"
        raise Unsupported(f"{reason}; {advice}")


def misfit(
    tensors: Sequence[SafetensorsTensor], recipe: str, multiples: Multiples = NO_MULTIPLES
) -> str:
    """Why a recipe cannot be made of these tensors; empty where it can, and where its name says no
    scheme."""
    scheme = scheme_of(recipe)
    if scheme is None:
        return ""
    for tensor in tensors:
        if wants_packed(tensor, scheme):
            reason = _matrix_misfit(tensor, scheme, multiples)
            if reason:
                return reason
    return ""


def _matrix_misfit(tensor: SafetensorsTensor, scheme: Scheme, multiples: Multiples) -> str:
    outputs, inputs = tensor.shape
    if scheme.group > 0 and inputs % scheme.group:
        return f"{inputs} columns are no multiple of the group of {scheme.group}"
    if inputs % multiples.inputs:
        return f"{inputs} columns are no multiple of {multiples.inputs}"
    if outputs % multiples.outputs:
        return f"{outputs} rows of {tensor.name} are no multiple of {multiples.outputs}"
    return ""


def _fitting_sibling(
    tensors: Sequence[SafetensorsTensor], recipe: str, recipes: Iterable[str], multiples: Multiples
) -> str | None:
    """Of the recipes that differ in their group only the fitting one of the largest group; one
    scale a column, the coarsest of all, comes last."""
    siblings = [name for name in recipes if _GROUP.sub("", name) == _GROUP.sub("", recipe)]
    fitting = [name for name in siblings if not misfit(tensors, name, multiples)]
    return max(fitting, key=_group_of, default=None)


def _group_of(recipe: str) -> int:
    scheme = scheme_of(recipe)
    return scheme.group if scheme else _COLUMN
