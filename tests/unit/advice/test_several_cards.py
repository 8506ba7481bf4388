"""Several cards alike: memory adds up, rates do not."""

from __future__ import annotations

import numpy as np

from grid.advice import Ask
from grid.advice.hardware import machine_of
from grid.advice.several_cards import CARD_OVERHEAD, one_card, split_factor
from grid.hardware.chips import find_chip


def test_memory_of_two_cards_adds_up_less_what_the_second_keeps() -> None:
    single, two = (machine_of([], Ask(chip=name)) for name in ("RTX 3090", "2x RTX 3090"))
    assert single.budget_bytes is not None
    assert two.budget_bytes is not None
    card = find_chip("RTX 3090").memory_bytes or 0
    assert two.budget_bytes == single.budget_bytes + card - CARD_OVERHEAD
    assert any("a token is as fast as on one card" in note for note in two.notes)
    assert not single.notes


def test_layers_in_turn_are_as_fast_as_one_card_and_matrices_faster() -> None:
    two = find_chip("dual RTX 3090")
    layers, matrices = (split_factor(two, engine, 1000) for engine in ("llamacpp", "vllm"))
    assert ((layers > 0.9) & (layers <= 1.0)).all()
    assert ((matrices > 0.8) & (matrices < 2.0)).all()
    assert np.median(matrices) > np.median(layers)
    assert np.array_equal(split_factor(one_card(two), "vllm", 10), np.ones(10))


def test_a_card_of_several_has_the_name_that_rates_are_known_by() -> None:
    assert one_card(find_chip("4x RTX 3090")) == find_chip("RTX 3090")
