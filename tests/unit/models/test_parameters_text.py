"""Parameters and experts in words."""

from __future__ import annotations

from grid.models.parameters_text import count_text, parameters_text
from grid.models.weight_parts import Experts


def test_a_dense_model_has_parameters_alone() -> None:
    assert parameters_text(8_030_000_000, 7_500_000_000) == "8.03B parameters"
    assert parameters_text(0, None) == ""


def test_a_mixture_says_what_a_token_uses() -> None:
    experts = Experts(count=64, used=6, shared=2, layers=26, leading_dense=1)
    assert parameters_text(15_710_000_000, 2_450_000_000, experts) == (
        "15.7B parameters, 2.45B for a token: 6 of 64 experts and 2 shared in 26 layers after 1 "
        "dense"
    )
    unknown = parameters_text(10**9, None, Experts(count=8, used=None))
    assert unknown == (
        "1B parameters, an unknown part of them for a token: an unknown number of 8 experts"
    )


def test_a_mixture_known_by_name_says_so() -> None:
    assert parameters_text(30_500_000_000, 3_300_000_000, by_name=True) == (
        "30.5B parameters, 3.3B for a token (by its name)"
    )


def test_counts_have_three_digits_and_a_letter() -> None:
    texts = [count_text(n) for n in (950, 134_515_008, 1_026_000_000_000)]
    assert texts == ["950", "135M", "1.03T"]
