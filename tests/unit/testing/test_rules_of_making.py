"""The conformance suite finds weights that are not what was asked, and what stays behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from grid_fake import FakeBackend, write
from rule_cases import break_message, case

from grid.backend import (
    Calibration,
    Recipe,
)
from grid.errors import InputError
from grid.testing import check

Breaks = Callable[..., Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "toy.fake")


class Maker(FakeBackend):
    """Makes weights as a test wants them to be broken."""

    def __init__(self, makes: Breaks) -> None:
        self.makes = makes

    def quantize(
        self,
        source: Path,
        recipe: str,
        target: Path,
        threads: int,
        calibration: Calibration | None = None,
        device: str = "cpu",
    ) -> None:
        self.makes(super().quantize, source, recipe, target, threads)


def _another_quant(quantize: Breaks, source: Path, _: str, target: Path, threads: int) -> None:
    quantize(source, "Q8", target, threads)


def _litter(quantize: Breaks, source: Path, recipe: str, target: Path, threads: int) -> None:
    quantize(source, recipe, target, threads)
    target.with_name("temporary").write_bytes(b"")


def _leave(quantize: Breaks, source: Path, recipe: str, target: Path, threads: int) -> None:
    target.write_bytes(b"half")
    quantize(source, recipe, target, threads)


@pytest.mark.parametrize(
    ("makes", "complaint"),
    [
        (_another_quant, "Q4 was asked, Q8 was made"),
        (_litter, "quantize leaves its target, nothing else"),
    ],
)
def test_weights_that_are_not_what_was_asked_are_found(
    path: Path, makes: Breaks, complaint: str
) -> None:
    assert (
        break_message("a_recipe_makes_what_it_says", case(path, Maker(makes), recipe="Q4"))
        == complaint
    )


def test_a_file_that_a_failure_leaves_is_found(path: Path) -> None:
    complaint = break_message("an_unknown_recipe_leaves_no_file", case(path, Maker(_leave)))
    assert complaint == "a failed quantization leaves no file"


def test_a_recipe_is_made_of_the_source(path: Path, tmp_path: Path) -> None:
    q2 = tmp_path / "q2.fake"
    FakeBackend().quantize(path, "Q2", q2, 1)
    quantizing = case(q2, recipe="Q4", source=path)
    assert check("a_recipe_makes_what_it_says", quantizing) == "ran"


def test_recipes_without_a_format_where_there_are_two_are_found(path: Path) -> None:
    class Two(FakeBackend):
        formats = frozenset({"fake", "other"})

    assert break_message("recipes_are_named_and_others_refused", case(path, Two())) == (
        "a recipe names its format where the backend has several"
    )


class Calibrated(FakeBackend):
    def recipes(self) -> Mapping[str, Recipe]:
        return {"Q4": Recipe(name="Q4", bits=4.0, calibrated=True)}


@pytest.mark.parametrize(
    ("backend", "skipped"),
    [
        (FakeBackend(), "skipped: the case names no recipe to be made (Case.recipe)"),
        (Calibrated(), "skipped: Q4 takes a calibration set (Case.calibration)"),
    ],
)
def test_a_recipe_that_cannot_be_tried_is_skipped_with_the_reason(
    path: Path, backend: FakeBackend, skipped: str
) -> None:
    recipe = "Q4" if "Q4" in skipped else ""
    assert check("a_recipe_makes_what_it_says", case(path, backend, recipe=recipe)) == skipped


def test_a_recipe_that_there_is_not_is_no_skip(path: Path) -> None:
    with pytest.raises(InputError, match="fake has no recipe 'Q5'"):
        check("a_recipe_makes_what_it_says", case(path, recipe="Q5"))
