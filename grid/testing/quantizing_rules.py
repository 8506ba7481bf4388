"""Rules of quantizing."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from grid.errors import Unsupported
from grid.models.detect import format_of
from grid.testing.case import Case
from grid.testing.rules import NotTried, raises, require, rule


@rule("quantizes", loads=False)
def recipes_are_named_and_others_refused(case: Case) -> None:
    recipes = case.backend.recipes()
    require(bool(recipes), "a quantizer has recipes")
    require(all(name == r.name and r.bits > 0 for name, r in recipes.items()), "recipes: names")
    unambiguous = len(case.backend.formats) == 1 or all(r.format for r in recipes.values())
    require(unambiguous, "a recipe names its format where the backend has several")
    require(bool(case.backend.quantizer()), "the quantizer has a name and version")


@rule("quantizes", shows=False)
def an_unknown_recipe_leaves_no_file(case: Case) -> None:
    maker: Any = case.backend
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "x"
        with raises(Unsupported, "an unknown recipe is unsupported"):
            maker.quantize(case.source or case.path, "NO_SUCH_RECIPE", target, 1)
        require(not any(Path(folder).iterdir()), "a failed quantization leaves no file")


@rule("quantizes")
def a_recipe_makes_what_it_says(case: Case) -> None:
    """Weights that inspect as the quant that was asked, and load, and nothing beside them."""
    if not case.recipe:
        raise NotTried("the case names no recipe to be made (Case.recipe)")
    recipe = case.find_recipe()
    if recipe.calibrated and case.calibration is None:
        raise NotTried(f"{case.recipe} takes a calibration set (Case.calibration)")
    calibration = case.calibration if recipe.calibrated else None
    form = recipe.format or min(case.backend.formats)
    maker: Any = case.backend
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"weights.{form}"
        source = case.source or case.path
        maker.quantize(source, case.recipe, target, case.node.cores, calibration, case.device)
        require([*Path(folder).iterdir()] == [target], "quantize leaves its target, nothing else")
        require(format_of(target) == form, f"{case.recipe} is of format {form}")
        inspection = case.backend.inspect(target)
        require(
            inspection.quant == case.recipe, f"{case.recipe} was asked, {inspection.quant} was made"
        )
        if form in case.backend.formats:
            _check_computes(case.of(target))


def _check_computes(case: Case) -> None:
    with case.fresh() as engine:
        if {"tokenizes", "logits"} <= case.backend.capabilities:
            rows = engine.logits(case.ids(engine))
            require(bool(np.isfinite(rows).all()), "what a recipe makes has finite logits")
