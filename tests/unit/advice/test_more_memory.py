"""What more memory or bandwidth would buy."""

from __future__ import annotations

from pathlib import Path

import pytest
from advice_cases import OVERHEAD, OWN_CLASS, family, write_store
from analysis_cases import SIZES

from grid.advice import Ask, recommend
from grid.advice.to_json import to_data
from grid.analysis.dataset import Dataset
from grid.results.imports import published_store
from grid.units import GIB

CACHE = 4096 * 64
"""Bytes of the cache that the family's variants keep for 4096 tokens."""


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return write_store(family(), tmp_path / "store")


def on_memory(size: int, **fields: object) -> Ask:
    """A machine on which models can have so many bytes."""
    return Ask(hardware=OWN_CLASS, memory_bytes=size, reserved_bytes=0, **fields)  # type: ignore[arg-type]


def needed(quant: str) -> int:
    return SIZES[quant] + CACHE + OVERHEAD


def test_memory_that_changes_the_pick_is_named_without_being_asked_for(dataset: Dataset) -> None:
    advice = recommend(dataset, on_memory(needed("Q4_K_M") + 100))
    assert advice.pick is not None
    assert advice.pick.variant.quant == "Q4_K_M"
    (step,) = advice.upgrades
    assert step.changes
    assert step.more_bytes == 4 * GIB
    assert step.pick is not None
    assert step.pick.variant.quant == "Q8_0"
    assert step.text.startswith("4 GiB more memory: base Q8_0, capability +0.067")


def test_memory_that_changes_nothing_is_not_named(dataset: Dataset) -> None:
    assert recommend(dataset, Ask(hardware=OWN_CLASS)).upgrades == ()


def test_the_memory_that_was_asked_for_is_answered_whether_it_changes_the_pick(
    dataset: Dataset,
) -> None:
    advice = recommend(dataset, Ask(hardware=OWN_CLASS, more_memory_bytes=16 * GIB))
    (step,) = advice.upgrades
    assert not step.changes
    assert step.text == "16 GiB more memory: the pick is the same"


def test_more_than_an_unknown_memory_is_not_known_either(tmp_path: Path) -> None:
    rows = family("a box without facts")
    advice = recommend(write_store(rows, tmp_path / "box"), Ask(more_memory_bytes=16 * GIB))
    (step,) = advice.upgrades
    assert not step.changes
    assert "how much there is now is not known" in step.text


def test_where_nothing_fits_the_memory_says_what_would(dataset: Dataset) -> None:
    advice = recommend(dataset, on_memory(1000))
    assert advice.pick is None
    (step,) = advice.upgrades
    assert step.text.startswith("4 GiB more memory: base Q8_0 would meet the limits")


def test_bandwidth_is_named_where_the_rate_is_in_the_way(dataset: Dataset) -> None:
    advice = recommend(dataset, Ask(hardware=OWN_CLASS, min_decode_tps=75))
    assert advice.pick is not None
    assert advice.pick.variant.quant == "Q2_K"
    (step,) = advice.upgrades
    assert (step.bandwidth, step.more_bytes) == (2.0, 0.0)
    assert step.pick is not None
    assert step.pick.variant.quant == "Q8_0"


def test_data_have_what_the_text_says(dataset: Dataset) -> None:
    advice = recommend(dataset, on_memory(needed("Q4_K_M") + 100))
    (step,) = to_data(advice)["upgrades"]
    assert step["pick"]["quant"] == "Q8_0"
    assert step["capability"]["value"] == pytest.approx(0.067, abs=0.001)


def test_a_larger_card_holds_more_bits_of_the_published_ladder() -> None:
    """Llama-3-8B as llama.cpp's tables have it: 6 GiB hold about 4 bits with their cache."""
    published = Dataset(published_store())
    advice = recommend(published, Ask(chip="RTX 3050 6GB", imported=True, model="Llama-3-8B"))
    assert advice.pick is not None
    (step,) = advice.upgrades
    assert step.pick is not None
    assert step.pick.variant.artifact_bytes > advice.pick.variant.artifact_bytes
    assert step.kld is not None
    assert step.kld.value < -0.01
    assert (
        recommend(published, Ask(chip="RTX 4090", imported=True, model="Llama-3-8B")).upgrades == ()
    )
