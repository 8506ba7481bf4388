"""`--model` and `--hardware` fill what a file lacks, and never rename what it says."""

from __future__ import annotations

from pathlib import Path

import pytest
from imports_files import bench, put

from grid.errors import InputError
from grid.results.imports import read_report

CARD = "NVIDIA GeForce RTX 4080"


def named(folder: Path, file: str, card: str = "", **options: str | bool) -> tuple[str, str]:
    """(model, node) of a row whose file names them so, or not."""
    row = bench(model_filename=f"m/{file}-Q4_0.gguf" if file else "", gpu_info=card)
    report = read_report(put(folder, "b.json", [row]), **options)  # type: ignore[arg-type]
    (attempt,) = report.rows["attempts"]
    return attempt["model"], attempt["node"]


@pytest.mark.parametrize(
    ("stated", "supplied"),
    [
        ("Llama-3.1-8B", "llama 3.1 8b"), ("Qwen_Qwen3-8B", "Qwen3-8B"), ("Toy-7B", "Toy-7B-Q4_0"),
        ("Toy-7B", "org/Toy-7B"), ("Toy-7B", "Toy-7B-AWQ"),
    ],
)  # fmt: skip
def test_another_spelling_of_the_model_is_no_contradiction(
    tmp_path: Path, stated: str, supplied: str
) -> None:
    assert named(tmp_path, stated, CARD, model=supplied)[0] == stated


@pytest.mark.parametrize(
    ("stated", "supplied"),
    [
        ("Llama-3.1-8B", "Llama-3.1-70B"), ("Llama-3.1-8B", "Llama-3-8B"), ("Toy-7B", "Toy-7B-v2"),
        ("CodeLlama-7B", "Llama-7B"), ("Toy-7B-Instruct", "Toy-7B"),
    ],
)  # fmt: skip
def test_another_model_is_refused_unless_the_option_overrides(
    tmp_path: Path, stated: str, supplied: str
) -> None:
    with pytest.raises(
        InputError, match=rf"says model '{stated}', --model says '{supplied}'; --over"
    ):
        named(tmp_path, stated, CARD, model=supplied)
    assert named(tmp_path, stated, CARD, model=supplied, override=True)[0] == supplied


@pytest.mark.parametrize("supplied", ["RTX 4080", "nvidia geforce rtx 4080", CARD])
def test_another_spelling_of_the_machine_is_no_contradiction(tmp_path: Path, supplied: str) -> None:
    assert named(tmp_path, "Toy-7B", CARD, hardware=supplied)[1] == CARD


@pytest.mark.parametrize("supplied", ["RTX 4090", "my box", "RTX 4080 SUPER"])
def test_another_machine_is_refused(tmp_path: Path, supplied: str) -> None:
    with pytest.raises(InputError, match=f"--hardware says '{supplied}'"):
        named(tmp_path, "Toy-7B", CARD, hardware=supplied)


def test_a_name_of_another_size_is_no_name_of_the_weights(tmp_path: Path) -> None:
    """A type, `llama 7B`, is no name: but a name of 70B is none of 6.74e9 parameters."""
    with pytest.raises(InputError, match=r"parameters, --model says 'Llama-2-70B'"):
        named(tmp_path, "", CARD, model="Llama-2-70B")
    assert named(tmp_path, "", CARD, model="Llama-2-7B")[0] == "Llama-2-7B"


def test_only_the_rows_that_contradict_are_refused(tmp_path: Path) -> None:
    rows = [bench(model_filename=f"{name}-Q4_0.gguf") for name in ("Toy-7B", "Other-7B")]
    report = read_report(put(tmp_path, "b.json", rows), model="Toy-7B")
    assert [row["model"] for row in report.rows["attempts"]] == ["Toy-7B"]
    assert len(report.refused) == 1
