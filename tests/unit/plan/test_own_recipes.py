"""Importance matrices and recipes of one's own in sweep files: which artifacts they come to."""

from __future__ import annotations

from pathlib import Path

import pytest

from grid.backend.registry import backend
from grid.errors import InputError
from grid.models.artifact import Artifact
from grid.plan.load import parse_sweep
from grid.plan.sources import resolve

HEAD = '[[models]]\nsource = "ref:small"\n'
RECIPE = """
[recipes.wide]
preset = "Q4_K_M"
tensor_types = { ffn_down = "q8_0" }
"""


def artifacts(text: str, folder: Path) -> dict[str, Artifact]:
    sweep = parse_sweep(text.encode(), "s.toml", folder)
    candidates = resolve(sweep, {"llamacpp": backend("llamacpp")}).candidates
    return {candidate.artifact.quant: candidate.artifact for candidate in candidates}


def test_presets_that_can_use_a_matrix_are_made_with_and_without_it(tmp_path: Path) -> None:
    quants = 'imatrix = [false, true]\nquants = ["Q4_K_M", "Q8_0", "IQ2_XS"]\n'
    resolved = artifacts(quants + HEAD, tmp_path)
    assert {*resolved} - {"F16", "F32"} == {"Q4_K_M", "Q4_K_M+imatrix", "Q8_0", "IQ2_XS"}
    assert not resolved["Q4_K_M"].calibration
    assert resolved["Q4_K_M+imatrix"].calibration == resolved["IQ2_XS"].calibration != ""


def test_an_artifact_without_a_matrix_keeps_its_id(tmp_path: Path) -> None:
    plain = artifacts('quants = ["Q4_K_M"]\n' + HEAD, tmp_path)
    with_matrix = artifacts('quants = ["Q4_K_M"]\nimatrix = [true, false]\n' + HEAD, tmp_path)
    assert plain["Q4_K_M"].id == with_matrix["Q4_K_M"].id
    assert with_matrix["Q4_K_M+imatrix"].id != with_matrix["Q4_K_M"].id


def test_the_text_of_the_matrix_is_in_the_id(tmp_path: Path) -> None:
    text = 'quants = ["IQ2_XS"]\n' + HEAD
    longer = text + "[calibration]\nsamples = 64\n"
    assert artifacts(text, tmp_path)["IQ2_XS"].id != artifacts(longer, tmp_path)["IQ2_XS"].id


def test_a_recipe_is_identified_by_what_it_changes_and_not_by_its_name(tmp_path: Path) -> None:
    first = artifacts('quants = ["wide"]\n' + HEAD + RECIPE, tmp_path)
    renamed = artifacts('quants = ["w2"]\n' + HEAD + RECIPE.replace("wide", "w2"), tmp_path)
    changed = artifacts('quants = ["wide"]\n' + HEAD + RECIPE.replace("q8_0", "q6_K"), tmp_path)
    assert first["wide"].recipe_name == "Q4_K_M --tensor-type ffn_down=q8_0"
    assert first["wide"].id == renamed["w2"].id
    assert first["wide"].id != changed["wide"].id


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('quants = ["wide"]\n' + HEAD + RECIPE.replace("ffn_down", "ffn_dwn"),
         r"recipes\.wide: .*'ffn_dwn' applies to no matrix of this model; Did you mean 'ffn_down'"),
        ('quants = ["wide"]\n' + HEAD + RECIPE.replace("Q4_K_M", "Q4_K_X"),
         r"recipes\.wide\.preset: unknown quant 'Q4_K_X'. Did you mean"),
        ('quants = ["wide"]\n' + HEAD + RECIPE.replace("q8_0", "q9_0"),
         r"recipes\.wide: tensor_types\.ffn_down: 'q9_0' is no type of llama.cpp"),
        ('quants = ["wide"]\n' + HEAD + RECIPE + RECIPE.replace("wide", "same"),
         r"recipes\.same: the same recipe as wide"),
        ('quants = ["Q8_0"]\n' + HEAD + RECIPE.replace("wide", "Q6_K"), "a preset's name"),
        ('quants = ["Q8_0+imatrix"]\n' + HEAD, "Q8_0 makes no use of an importance matrix"),
        ('quants = ["IQ2_XS"]\n' + HEAD + 'imatrix = "m.gguf"\n', r"imatrix: no file .*m\.gguf"),
        ('quants = ["Q8_0"]\n' + HEAD + 'imatrix = "s.txt"\n', "none of the quants takes an"),
        ('quants = ["IQ2_XS"]\n' + HEAD + 'imatrix = "s.txt"\n', "no importance matrix"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(text: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "s.txt").write_text("no matrix at all")
    with pytest.raises(InputError, match=complaint) as refusal:
        artifacts(text, tmp_path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("imatrix = []\n" + HEAD, "imatrix: the list is empty"),
        ("imatrix = [true, true]\n" + HEAD, "imatrix: True is there twice"),
        (HEAD + RECIPE + "types = 1\n", r"recipes\.wide\.types: unknown key"),
        ('[[models]]\nfiles = ["x.gguf"]\nimatrix = "m.gguf"\n', "goes with source"),
    ],
)
def test_the_file_itself_is_checked(text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        parse_sweep(text.encode(), "s.toml", Path())
