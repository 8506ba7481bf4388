"""Names of quants that a question may have."""

from __future__ import annotations

import pytest

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
