"""A store of imported rows only is advised on from what it has."""

from __future__ import annotations

from itertools import pairwise, product
from pathlib import Path

import pytest

from grid.advice import Ask, recommend
from grid.advice.advice import DECODE
from grid.advice.sentences import headline
from grid.analysis.dataset import Dataset
from grid.results.imports import published_store
from grid.units import GIB

MEMORIES = (4, 6, 8, 12, 24, 128)
CONTEXTS = (512, 8192)


@pytest.fixture(scope="module")
def published() -> Dataset:
    return Dataset(Path(published_store()))


@pytest.mark.parametrize(("memory", "context"), list(product(MEMORIES, CONTEXTS)))
def test_published_divergences_answer_without_tasks(
    published: Dataset, memory: int, context: int
) -> None:
    ask = Ask(
        memory_bytes=memory * GIB, bandwidth_bytes_s=400e9, context=context, model="Llama-3-8B"
    )
    advice = recommend(published, ask)
    assert advice.pick is not None, headline(advice)
    assert advice.quality.axis == "kld_mean"
    assert advice.pick.variant.origin
    assert advice.expected_loss is not None
    assert advice.expected_loss <= advice.tolerance
    assert any("third-party" in note for note in advice.notes)


def test_of_all_published_tables_a_card_is_answered_too(published: Dataset) -> None:
    advice = recommend(published, Ask(chip="RTX 4090"))
    assert advice.pick is not None
    assert advice.pick.label == "Llama-3-8B Q6_K"


def test_a_card_that_others_measured_has_its_memory_and_rates_from_the_catalogue(
    published: Dataset,
) -> None:
    name = "NVIDIA RTX 4090 [llama.cpp tools/perplexity/README.md]"
    of_class = recommend(published, Ask(hardware=name, model="Llama-3-8B"))
    of_chip = recommend(published, Ask(chip="RTX 4090", model="Llama-3-8B"))
    assert of_class.pick is not None
    assert of_chip.pick is not None
    assert of_class.pick.label == of_chip.pick.label
    assert of_class.budget_bytes == of_chip.budget_bytes
    rates = [pick.figures[DECODE].value for pick in (of_class.pick, of_chip.pick)]
    assert rates[0] == pytest.approx(rates[1])


def test_more_memory_never_gives_a_pick_further_from_16_bits_than_tolerated(
    published: Dataset,
) -> None:
    divergences = []
    for memory in MEMORIES:
        ask = Ask(memory_bytes=memory * GIB, bandwidth_bytes_s=400e9, model="Llama-3-8B")
        pick = recommend(published, ask).pick
        assert pick is not None
        assert pick.variant.kld_mean is not None
        divergences.append(pick.variant.kld_mean.value)
    assert all(later <= before + 0.01 for before, later in pairwise(divergences))


def test_memory_below_every_file_says_what_the_least_needs(published: Dataset) -> None:
    ask = Ask(memory_bytes=1 * GIB, bandwidth_bytes_s=400e9, model="Llama-3-8B")
    advice = recommend(published, ask)
    assert advice.pick is None
    assert headline(advice).startswith("nothing fits: models can have")
    assert "Llama-3-8B IQ1_S" in headline(advice)
