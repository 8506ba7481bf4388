"""Which hardware runs a model: places, needs, verdicts."""

from __future__ import annotations

from pathlib import Path

import pytest
from advice_cases import BIGGER, OWN_CLASS, RATES, add_quality, add_speed, family, write_store
from analysis_cases import Rows

from grid.advice import Ask, recommend
from grid.advice.advice import DECODE, MEASURED_HERE, PREDICTED
from grid.advice.for_model import (
    RUNS,
    SLOWER,
    TOO_SMALL,
    HardwareChoice,
    choose_hardware,
    find_target,
)
from grid.advice.for_model.sentences import examples, headline, need_text
from grid.advice.for_model.to_json import choice_data
from grid.analysis.dataset import Dataset
from grid.errors import InputError
from grid.hardware.chips import chips
from grid.units import GIB

EMPTY = Dataset("none")


def choose(model: str, quant: str | None = None, **fields: object) -> HardwareChoice:
    return choose_hardware(EMPTY, find_target(model, quant), Ask(**fields))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def eight() -> HardwareChoice:
    """Every chip of the catalogue, for an 8B at 20 token/s."""
    return choose("Llama-3.1-8B", min_decode_tps=20.0, context=8192)


def test_every_chip_of_the_catalogue_has_one_verdict(eight: HardwareChoice) -> None:
    names = [entry.place.name for entry in eight.verdicts]
    assert len(names) == len(set(names))
    assert len(names) >= 0.99 * len(chips())


def test_need_is_the_weights_the_cache_and_the_engine(eight: HardwareChoice) -> None:
    """4.58 GiB as llama.cpp's table has Q4_K_M of Llama-3.1-8B; 32 layers of 8 x 128 keys and
    values at 16 bits for 8,192 tokens."""
    assert eight.memory.weights == pytest.approx(4.58 * GIB, rel=0.01)
    assert eight.memory.kv == 8192 * 32 * 2 * 1024 * 2
    assert need_text(eight).startswith("6.08 GiB with 8,192 tokens of context: weights 4.58 GiB")


def test_verdicts_follow_from_memory_and_rate(eight: HardwareChoice) -> None:
    need = eight.memory.total or 0
    for entry in eight.verdicts:
        budget = entry.place.budget_bytes or 0
        assert (need > budget) == (entry.verdict == TOO_SMALL)
        if entry.verdict != TOO_SMALL:
            assert entry.sure is not None
            assert (entry.sure >= 0.9) == (entry.verdict == RUNS)
            assert entry.decode is not None
            assert entry.decode.evidence.kind == PREDICTED


def test_known_machines_stand_where_their_owners_find_them(eight: HardwareChoice) -> None:
    verdicts = {entry.place.name: entry.verdict for entry in eight.verdicts}
    assert verdicts["NVIDIA GeForce RTX 3090"] == RUNS
    assert verdicts["Apple M2 Ultra (76)"] == RUNS
    assert verdicts["Apple M1 (8)"] == SLOWER
    assert verdicts["DDR4-3200, 2 channels"] == SLOWER
    assert verdicts["NVIDIA GeForce GTX 1650"] == TOO_SMALL


def test_least_memory_comes_first_and_macs_have_sizes_that_are_sold(eight: HardwareChoice) -> None:
    sizes = [entry.place.memory_bytes or 0 for entry in eight.of(RUNS)]
    assert sizes == sorted(sizes)
    macs = {e.place.name: e.place.memory_bytes for e in eight.verdicts}
    assert macs["Apple M2 Max (38)"] == 32 * GIB
    assert macs["Apple M3 Ultra (80)"] == 96 * GIB


def test_examples_are_chips_that_somebody_measured_or_that_are_usual(
    eight: HardwareChoice,
) -> None:
    shown = examples(eight, RUNS)
    assert 4 <= len(shown) <= 24
    assert any(entry.chip_measured for entry in shown)
    assert headline(eight).startswith("Llama-3.1-8B Q4_K_M at 20 token/s or more: ")
    least = min(entry.place.memory_bytes or 0.0 for entry in shown)
    assert headline(eight).endswith(f", usual ones from {least / GIB:g} GiB on")


def test_data_lists_every_machine_by_verdict(eight: HardwareChoice) -> None:
    data = choice_data(eight)
    groups = ("runs_it", "runs_it_slower", "does_not_hold_it", "not_known")
    assert sum(len(data[group]) for group in groups) == len(eight.verdicts)
    assert data["need"]["kv_bytes"] == eight.memory.kv
    first = data["runs_it"][0]
    assert first["decode_tps"]["low"] <= first["decode_tps"]["value"] <= first["decode_tps"]["high"]


def test_published_rates_are_within_the_intervals_of_their_chips() -> None:
    """Llama-2-7B Q4_0 as llama.cpp's tables have it."""
    choice = choose("Llama-2-7B", "Q4_0", context=64)
    rates = {entry.place.name: entry.decode for entry in choice.verdicts}
    for name, tps in (("Apple M2 Ultra (76)", 94.27), ("Apple M1 (8)", 14.19)):
        figure = rates[name]
        assert figure is not None
        assert (figure.low or 0) <= tps <= (figure.high or 0)


def test_a_mixture_is_as_large_as_all_its_experts_and_as_fast_as_a_few() -> None:
    dense = choose("32B", chip="RTX 4090", context=4096)
    mixture = choose("Qwen3-30B-A3B", chip="RTX 4090", context=4096)
    assert mixture.memory.weights > 0.9 * dense.memory.weights
    (slow,), (fast,) = dense.verdicts, mixture.verdicts
    assert slow.decode is not None
    assert fast.decode is not None
    assert fast.decode.value > 2 * slow.decode.value


def test_sessions_take_a_cache_and_rate_each() -> None:
    alone, four = (choose("Qwen3-8B", chip="RTX 3090", sessions=n) for n in (1, 4))
    assert four.memory.kv == 4 * (alone.memory.kv or 0)
    assert alone.verdicts[0].decode is not None
    assert four.verdicts[0].decode is not None
    assert four.verdicts[0].decode.value < alone.verdicts[0].decode.value


def test_two_cards_hold_what_is_too_large_for_one() -> None:
    (single,) = choose("Llama-3.3-70B", chip="RTX 3090").verdicts
    (two,) = choose("Llama-3.3-70B", chip="2x RTX 3090").verdicts
    assert (single.verdict, single.cards) == (TOO_SMALL, 2)
    assert two.verdict == RUNS


def test_the_store_s_own_rate_goes_before_a_predicted_one(tmp_path: Path) -> None:
    dataset = write_store(family(), tmp_path / "store")
    target = find_target("base", "q4_k_m", dataset)
    choice = choose_hardware(dataset, target, Ask(hardware=OWN_CLASS))
    (entry,) = choice.verdicts
    assert entry.decode is not None
    assert entry.decode.evidence.kind == MEASURED_HERE
    assert entry.decode.value == pytest.approx(RATES["Q4_K_M"], rel=0.01)


def test_classes_of_the_store_stand_first_with_their_rates(tmp_path: Path) -> None:
    rows = Rows()
    for hardware in (OWN_CLASS, BIGGER):
        add_speed(rows, "Q8_0", hardware)
    add_quality(rows, "Q8_0")
    dataset = write_store(rows, tmp_path / "store")
    choice = choose_hardware(dataset, find_target("base", "Q8_0", dataset), Ask(min_decode_tps=20))
    first, second = choice.verdicts[:2]
    assert {first.place.hardware_class, second.place.hardware_class} == {OWN_CLASS, BIGGER}
    assert first.verdict == second.verdict == RUNS


@pytest.mark.parametrize(
    ("model", "quant", "message"),
    [
        ("Lama-3.1-8b", None, "no model 'Lama-3.1-8b' is known. Nearest: Llama-3.1-8B"),
        ("mine.gguf", None, "mine.gguf: no such file"),
        ("3B-A30B", None, "a token uses at most all weights"),
        ("8B", "foo", "no quant is called 'foo'. Usual: Q4_K_M"),
        ("8B", "Q4KM", "no quant is called 'Q4KM'. Nearest: Q4_K_M"),
    ],
)
def test_what_nobody_knows_is_one_line_with_the_nearest_names(
    model: str, quant: str | None, message: str
) -> None:
    with pytest.raises(InputError) as error:
        find_target(model, quant)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_context_longer_than_the_model_s_is_refused() -> None:
    with pytest.raises(InputError, match="Qwen3-8B is made for 40,960 tokens, not 100,000"):
        choose("Qwen3-8B", context=100_000, chip="RTX 3090")


def test_a_size_alone_says_whose_cache_is_assumed() -> None:
    target = find_target("8B", "Q8_0")
    assert target.variant.parameters == 8_000_000_000
    assert any("nearest public model in size" in note for note in target.notes)
    assert target.variant.artifact_bytes == pytest.approx(8.5 * GIB, rel=0.1)


def test_main_memory_takes_the_experts_that_a_card_has_no_room_for() -> None:
    (alone,) = choose("Qwen3-30B-A3B", chip="RTX 3060 12GB").verdicts
    choice = choose("Qwen3-30B-A3B", chip="RTX 3060 12GB", ram_bytes=64 * GIB)
    (beside,) = choice.verdicts
    assert (alone.verdict, alone.split) == (TOO_SMALL, None)
    assert beside.verdict == RUNS
    assert beside.split is not None
    assert beside.split.expert_layers > 0
    assert beside.decode is not None
    assert choice_data(choice)["runs_it"][0]["split"] == beside.split.text


def test_one_chip_has_one_rate_by_whichever_question(tmp_path: Path) -> None:
    dataset = write_store(family(), tmp_path / "store")
    ask = Ask(chip="RTX 4090", quant="Q8_0", context=2048)
    advice = recommend(dataset, ask)
    choice = choose_hardware(dataset, find_target("base", "Q8_0", dataset), ask)
    assert advice.pick is not None
    (entry,) = choice.verdicts
    mine, theirs = entry.decode, advice.pick.figures[DECODE]
    assert mine is not None
    assert (mine.value, mine.low, mine.high) == pytest.approx(
        (theirs.value, theirs.low, theirs.high), rel=0.01
    )


def test_memory_alone_leaves_out_larger_machines() -> None:
    choice = choose("8B", memory_bytes=8 * GIB)
    assert max(entry.place.memory_bytes or 0 for entry in choice.verdicts) == 8 * GIB
    assert "with at most 8 GiB" in headline(choice)
    with pytest.raises(InputError, match="no machine has 1 KiB"):
        choose("8B", memory_bytes=1024)


def test_a_model_published_at_few_bits_is_looked_for_as_published() -> None:
    choice = choose("gpt-oss-120b", chip="RTX 4090", ram_bytes=64 * GIB)
    assert choice.target.variant.quant == "MXFP4_MOE"
    assert choice.target.variant.artifact_bytes == pytest.approx(63.4e9, rel=0.01)
    (entry,) = choice.verdicts
    assert entry.split is not None
    assert entry.verdict != TOO_SMALL
