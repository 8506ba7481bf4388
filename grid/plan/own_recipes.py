"""Recipes of a sweep's own: `[recipes.NAME]`, and presets with an importance matrix."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from grid.backend import Backend, ComposesRecipes, Recipe, RecipeChanges
from grid.errors import InputError, did_you_mean

MATRIX = "+imatrix"
"""Behind the name of a preset that is made with an importance matrix though it needs none."""


class RecipeTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A recipe of one's own: a `preset` of a backend, and what differs from it.

    `tensor_types` has types by a part of tensors' names, or a regular expression; the first that
    is in a name counts. `token_embedding` and `output` are the types of these two. `imatrix`:
    whether an importance matrix weighs the errors; without it where the recipe cannot do without.
    """

    preset: str
    tensor_types: dict[str, str] = {}
    token_embedding: str = ""
    output: str = ""
    imatrix: bool | None = None

    @property
    def changes(self) -> RecipeChanges:
        return RecipeChanges(
            imatrix=self.imatrix,
            tensor_types=self.tensor_types,
            token_embedding=self.token_embedding,
            output=self.output,
        )


def find_recipe(maker: Backend, quant: str, own: Mapping[str, RecipeTable]) -> Recipe | None:
    """The recipe that a backend has under a quant's name: its own, one of the sweep's that starts
    from a preset of it, or one with an importance matrix; None where it has none. Raises InputError
    for a recipe of the sweep's that it cannot carry out."""
    recipe = maker.recipes().get(quant)
    if recipe is not None or not isinstance(maker, ComposesRecipes):
        return recipe
    table = own.get(quant)
    if table is not None and table.preset in maker.recipes():
        try:
            return maker.compose_recipe(table.preset, table.changes)
        except InputError as error:
            raise InputError(f"recipes.{quant}: {error}") from None
    if table is None and quant.endswith(MATRIX):
        try:
            return maker.read_recipe(quant)
        except InputError:
            return None
    return None


def why_no_recipe(maker: Backend, quant: str) -> str:
    """What is wrong with a preset with an importance matrix; empty where it is no such name."""
    if not quant.endswith(MATRIX) or not isinstance(maker, ComposesRecipes):
        return ""
    try:
        maker.read_recipe(quant)
    except InputError as error:
        return str(error)
    return ""


def check_own_recipes(own: Mapping[str, RecipeTable], makers: Mapping[str, Backend]) -> None:
    """Raise InputError for a recipe of the sweep's that starts from no preset of its backends, is
    called as one of them, or is the same as another."""
    presets = {name for maker in makers.values() for name in maker.recipes()}
    composers = [maker for maker in makers.values() if isinstance(maker, ComposesRecipes)]
    names: dict[str, str] = {}
    for name, table in own.items():
        if name in presets:
            raise InputError(f"recipes.{name}: that is a preset's name; give it another")
        if table.preset not in presets:
            hint = did_you_mean(table.preset, presets)
            raise InputError(f"recipes.{name}.preset: unknown quant {table.preset!r}. {hint}")
        able = [maker for maker in composers if table.preset in maker.recipes()]
        if not able:
            raise InputError(f"recipes.{name}: the backend of {table.preset} changes no recipes")
        recipe = find_recipe(able[0], name, own)
        if recipe is not None and names.setdefault(recipe.name, name) != name:
            raise InputError(f"recipes.{name}: the same recipe as {names[recipe.name]}")
