"""What is clearly smaller or faster than a pick, what that loses, and the card that says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from advice_cases import (
    OWN_CLASS,
    STEADY,
    add_ladder,
    add_quality,
    add_speed,
    facts,
    family,
    picked_quant,
    write_store,
)
from analysis_cases import SIZES, Rows

from grid.advice import Ask, pick_card, picks_of_class, recommend
from grid.advice.machine_name import short_machine_names
from grid.advice.to_json import to_data
from grid.analysis.dataset import Dataset
from grid.errors import InputError


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write_store(family(), tmp_path_factory.mktemp("family"))


def test_smaller_is_the_best_of_what_has_three_quarters_of_the_bytes(measured: Dataset) -> None:
    advice = recommend(measured)
    choice = advice.smaller_choice
    assert picked_quant(advice) == "Q8_0"
    assert choice is not None
    assert choice.candidate.variant.quant == "Q4_K_M"
    assert choice.size == SIZES["Q4_K_M"] / SIZES["Q8_0"]
    assert choice.capability is not None
    assert choice.capability.value == pytest.approx(0.8667 - 0.9333, abs=1e-3)
    assert choice.text.startswith("capability 0.067 lower (")


def test_faster_has_its_whole_interval_above_a_tenth_more(measured: Dataset) -> None:
    choice = recommend(measured).faster_choice
    assert choice is not None
    assert choice.candidate.variant.quant == "Q4_K_M"
    assert choice.speed is not None
    assert choice.speed.value == pytest.approx(1.5, rel=0.01)
    assert choice.speed.low is not None
    assert choice.speed.low > 1.1


def test_rates_that_scatter_are_not_clearly_faster(tmp_path: Path) -> None:
    rows = Rows()
    for quant in ("Q8_0", "Q2_K"):
        add_quality(rows, quant)
    rows.decode([100 / (40 * part) for part in STEADY], **facts("Q8_0"))
    rows.decode([100 / rate for rate in (15.0, 90.0, 60.0, 140.0, 30.0)], **facts("Q2_K"))
    advice = recommend(write_store(rows, tmp_path))
    assert picked_quant(advice) == "Q8_0"
    assert advice.faster is None
    assert advice.smaller is not None
    assert advice.smaller.variant.quant == "Q2_K"


def test_what_misses_a_limit_is_no_compromise(measured: Dataset) -> None:
    advice = recommend(measured, Ask(min_share=0.95))
    assert picked_quant(advice) == "Q8_0"
    assert advice.smaller is None
    assert advice.faster is None


def test_a_little_smaller_is_not_clearly_smaller(tmp_path: Path) -> None:
    rows = Rows()
    for quant, size in (("Q8_0", 1000), ("Q4_K_M", 760)):
        rows.decode([1.0, 1.01], **facts(quant, artifact_bytes=size))
        add_quality(rows, quant, artifact_bytes=size)
    advice = recommend(write_store(rows, tmp_path))
    assert picked_quant(advice) == "Q8_0"
    assert advice.smaller is None


def test_compromises_of_a_ladder_without_tasks_say_their_divergence(tmp_path: Path) -> None:
    rows = Rows()
    add_ladder(rows)
    choice = recommend(write_store(rows, tmp_path)).smaller_choice
    assert choice is not None
    assert choice.candidate.variant.quant == "Q4_K_M"
    assert choice.text == "KLD 0.055 nat against 0.004"


def test_json_has_both_compromises(measured: Dataset) -> None:
    data = to_data(recommend(measured))
    assert data["smaller"]["quant"] == data["faster"]["quant"] == "Q4_K_M"
    assert data["faster"]["speed_ratio"]["low"] > 1.1
    assert to_data(recommend(measured, Ask(min_share=0.95)))["smaller"] is None


def test_a_card_has_a_line_for_each_question(measured: Dataset) -> None:
    card = pick_card(recommend(measured))
    assert card is not None
    assert card.label == "base Q8_0"
    assert card.speed == "40 token/s, measured here"
    assert card.closeness.startswith("100 % of the 16-bit capability")
    assert card.fits == "needs 274 KiB of 22 GiB, with 4,096 tokens of context"
    assert card.reason == "Ties with base F16; chosen because it is 7.32 KiB smaller"
    assert card.sure.endswith("% sure that nothing that fits is better by more than 0.01")
    assert "llama-server -m base-Q8_0.gguf" in card.command
    assert card.faster.startswith("base Q4_K_M, 60 token/s (1.5x): capability 0.067 lower")


def test_no_card_without_a_pick(measured: Dataset) -> None:
    assert pick_card(recommend(measured, Ask(min_decode_tps=1000.0))) is None


def test_models_that_do_not_compare_have_a_pick_each(tmp_path: Path) -> None:
    rows = Rows()
    for model in ("base", "large"):
        add_ladder(rows, model=model)
    dataset = write_store(rows, tmp_path)
    answers = picks_of_class(dataset, OWN_CLASS)
    assert [answer.pick.label for answer in answers if answer.pick] == ["base Q8_0", "large Q8_0"]


def test_a_class_that_nothing_ranks_has_no_pick(tmp_path: Path) -> None:
    rows = Rows()
    add_speed(rows, "Q8_0")
    with pytest.raises(InputError):
        picks_of_class(write_store(rows, tmp_path), OWN_CLASS)


def test_short_machine_names_tell_classes_apart() -> None:
    card = "AMD EPYC, 16 cores, 1x NVIDIA GeForce RTX 4090 24 GiB, 128 GiB, 512-1024 GB/s"
    slow, fast = (f"AMD EPYC, 2 cores, 24 GiB, {rate} GB/s" for rate in ("16-32", "32-64"))
    assert short_machine_names([card, slow]) == {card: "RTX 4090", slow: "AMD EPYC, 24 GiB"}
    assert short_machine_names([slow, fast]) == {slow: slow, fast: fast}


@pytest.mark.filterwarnings("error")
def test_divergences_of_two_chunks_warn_of_nothing_and_have_no_infinite_ends(
    tmp_path: Path,
) -> None:
    rows = Rows()
    for quant, chunks in (("Q8_0", [1e-9, 2e-3]), ("Q4_K_M", [1e-8, 3e-2]), ("Q2_K", [1e-9, 9e-1])):
        add_speed(rows, quant)
        rows.quality(chunks, **facts(quant))
    advice = recommend(write_store(rows, tmp_path))
    assert advice.pick is not None
    changes = [step.kld for step in advice.steps] + [
        choice.kld for choice in (advice.smaller_choice, advice.faster_choice) if choice is not None
    ]
    ends = [end for change in changes if change for end in (change.low, change.high)]
    assert all(end is None or abs(end) < float("inf") for end in ends)
