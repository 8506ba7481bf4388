"""Names of quants that a question may have."""

from __future__ import annotations

from pathlib import Path

import pytest
from advice_cases import family, write_store

from grid.advice import Ask, recommend
from grid.advice.prediction import published_observations
from grid.advice.quant_names import check_quant
from grid.errors import InputError
from grid.models.gguf.presets import PRESETS


def test_every_preset_and_published_name_is_one() -> None:
    for name in (*PRESETS, *(row.quant for row in published_observations())):
        assert check_quant(name).casefold() == name.casefold()


@pytest.mark.parametrize(
    ("written", "quant"),
    [("q4_k_m", "Q4_K_M"), ("iq4-xs", "IQ4_XS"), ("i1-Q4_K_M", "Q4_K_M"), ("FP8", "fp8")],
)
def test_names_are_read_as_people_write_them(written: str, quant: str) -> None:
    assert check_quant(written) == quant


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("foo", "no quant is called 'foo'. Usual: Q4_K_M"),
        ("Q4KM", "Nearest: Q4_K_M"),
        ("Q9_0", "Nearest: Q8_0"),
    ],
)
def test_a_word_that_is_no_quant_is_refused_with_the_nearest(name: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        check_quant(name)
    assert message in str(error.value)


def test_advice_on_a_quant_that_was_not_measured_names_those_that_were(tmp_path: Path) -> None:
    dataset = write_store(family(), tmp_path / "store")
    with pytest.raises(InputError) as error:
        recommend(dataset, Ask(quant="Q5_K_M"))
    assert "nothing at Q5_K_M was measured" in str(error.value)
    assert "there is F16, Q2_K, Q4_K_M, Q8_0" in str(error.value)
