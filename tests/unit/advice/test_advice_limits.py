"""Figures that limits are held against: at depth, with another cache, on another kind of device."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from advice_cases import (
    OVERHEAD,
    OWN_CLASS,
    RATES,
    RIGHT_ANSWERS,
    STEADY,
    add_quality,
    add_speed,
    answers,
    facts,
    family,
    picked_quant,
    write_store,
)
from analysis_cases import SIZES, Rows

from grid.advice import Ask, recommend
from grid.advice.advice import DECODE, MEMORY, PREDICTED, TTFT
from grid.advice.sentences import certainty_text
from grid.analysis.dataset import Dataset
from grid.cli.views.recommend import print_advice
from grid.errors import InputError
from grid.units import GIB, MIB

CPU_AND_CARD = "Intel Core i9, 24 cores, 1x NVIDIA GeForce RTX 4090 24 GiB, 64 GiB, 64-128 GB/s"
SERVER = "AMD EPYC, 64 cores, 1x NVIDIA H100 80GB HBM3 80 GiB, 512 GiB, 256-512 GB/s"


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write_store(family(), tmp_path_factory.mktemp("family"))


def store_slow_at_depth(folder: Path) -> Dataset:
    """Ten times slower after 4096 tokens."""
    rows = family()
    for quant in SIZES:
        about: dict[str, Any] = facts(quant)
        rows.decode([100 / (RATES[quant] / 10 * part) for part in STEADY], depth=4096, **about)
    return write_store(rows, folder)


def test_a_decode_limit_is_held_against_the_rate_after_the_asked_context(tmp_path: Path) -> None:
    dataset = store_slow_at_depth(tmp_path)
    assert picked_quant(recommend(dataset, Ask(min_decode_tps=30))) == "Q8_0"
    assert recommend(dataset, Ask(context=4096, min_decode_tps=30)).pick is None
    pick = recommend(dataset, Ask(context=4096)).pick
    assert pick is not None
    figure = pick.figures[DECODE]
    assert figure.value == pytest.approx(4, rel=0.01)
    assert figure.evidence.text == "measured here, after 4096 tokens of context"


def test_without_an_asked_context_a_rate_is_that_from_an_empty_one(tmp_path: Path) -> None:
    pick = recommend(store_slow_at_depth(tmp_path)).pick
    assert pick is not None
    assert pick.figures[DECODE].evidence.text == "measured here, from an empty context"


def test_beyond_the_measured_depth_the_cache_takes_its_share(measured: Dataset) -> None:
    pick = recommend(measured, Ask(context=1000)).pick
    assert pick is not None
    figure = pick.figures[DECODE]
    cache = 1000 * 64
    assert figure.value == pytest.approx(40 * SIZES["Q8_0"] / (SIZES["Q8_0"] + cache), rel=0.01)
    assert figure.evidence.text.endswith("less what a cache of 1000 tokens takes")


def test_weights_in_the_processors_cache_are_not_slowed_by_bytes(tmp_path: Path) -> None:
    dataset = write_store(family(environment=[("llc_bytes", "33554432")]), tmp_path)
    pick = recommend(dataset, Ask(context=1000)).pick
    assert pick is not None
    assert pick.figures[DECODE].value == pytest.approx(40, rel=0.01)


def test_prompt_longer_than_the_measured_one_is_noted(measured: Dataset) -> None:
    near, far = (recommend(measured, Ask(prompt=tokens)).pick for tokens in (512, 2000))
    assert near is not None
    assert far is not None
    assert "only" not in near.figures[TTFT].evidence.text
    assert "prefill measured up to 512 tokens only" in far.figures[TTFT].evidence.text


def test_the_first_token_comes_after_the_prompt_whatever_context_is_kept(tmp_path: Path) -> None:
    pick = recommend(store_slow_at_depth(tmp_path), Ask(context=4096, prompt=1)).pick
    assert pick is not None
    assert pick.figures[TTFT].value < 4 / 40


def test_a_short_prompt_takes_as_long_as_one_decoded_token(measured: Dataset) -> None:
    pick = recommend(measured, Ask(prompt=1)).pick
    assert pick is not None
    assert pick.figures[TTFT].value == pytest.approx(2 / 40, rel=0.01)


@pytest.mark.parametrize(("kind", "score"), [("f16", 95), ("q4_0", 65)])
def test_figures_are_those_of_the_asked_kv_cache_type(
    tmp_path: Path, kind: str, score: int
) -> None:
    rows = Rows()
    for quant, count in RIGHT_ANSWERS.items():
        for cache_type, lost in (("f16", 0), ("q4_0", 30)):
            about = {"options": json.dumps({"kv_type_k": cache_type, "kv_type_v": cache_type})}
            add_speed(rows, quant, **about)
            rows.tasks("math", answers(count - lost), **facts(quant, **about))
    advice = recommend(write_store(rows, tmp_path), Ask(kv_type=kind))
    assert len(advice.candidates) == len(SIZES)
    assert all(kind in candidate.variant.options for candidate in advice.candidates)
    assert not any("KV cache of" in note for note in advice.notes)
    assert advice.pick is not None
    assert advice.pick.variant.capability is not None
    assert advice.pick.variant.capability.value == pytest.approx((score / 100 - 0.25) / 0.75)


def test_variants_measured_with_another_kv_cache_are_named(measured: Dataset) -> None:
    (note,) = (n for n in recommend(measured, Ask(kv_type="q8_0")).notes if "KV cache of" in n)
    assert note.startswith("base F16, base Q2_K, base Q4_K_M and 1 more were measured with")
    assert "of f16; with q8_0 " in note


def test_unknown_longest_context_passes_and_is_noted(tmp_path: Path) -> None:
    advice = recommend(write_store(family(context_length=None), tmp_path), Ask(context=100_000))
    assert advice.pick is not None
    assert any("longest context of base" in note for note in advice.notes)


def test_memory_limit_met_without_the_kv_cache_is_noted(tmp_path: Path) -> None:
    rows = Rows()
    add_quality(rows, "Q8_0", kv_cache=None)
    rows.decode([1.0, 1.01], **facts("Q8_0", kv_cache=None))
    notes = recommend(write_store(rows, tmp_path)).notes
    assert any("without its KV cache, which is not known" in note for note in notes)


def test_a_prompt_must_fit_the_context() -> None:
    with pytest.raises(InputError, match="a prompt of 3000 tokens"):
        Ask(prompt=3000, context=2048)


def test_a_long_prompt_asks_for_a_context_that_holds_it(measured: Dataset) -> None:
    advice = recommend(measured, Ask(prompt=6000))
    assert advice.pick is not None
    assert advice.pick.context == 6001
    assert recommend(measured, Ask(prompt=9000)).pick is None


def store_of_cpu_and_card(
    folder: Path, timed: tuple[str, ...] = tuple(SIZES), card_bytes: float = 1
) -> Dataset:
    """One class with rows of its card and, more of them, of its CPU at a tenth of the rate."""
    rows = Rows()
    for quant, size in SIZES.items():
        card: dict[str, Any] = {
            "device_kind": "cuda-sm89",
            "artifact_bytes": round(size * 500_000 * card_bytes),
        }
        card |= {"parameters": 4_000_000_000, "environment": [("bandwidth_bytes_s", "6e10")]}
        cpu: dict[str, Any] = {**card, "device_kind": "cpu-avx2", "backend": "transformers"}
        cpu["artifact_bytes"] = size * 500_000
        add_quality(rows, quant, CPU_AND_CARD, **card)
        add_quality(rows, quant, CPU_AND_CARD, **cpu)
        if quant in timed:
            rows.decode([100 / (5 * RATES[quant] * part) for part in STEADY],
                        **facts(quant, CPU_AND_CARD, **card))  # fmt: skip
        for _ in range(2):
            rows.decode([100 / (RATES[quant] / 4 * part) for part in STEADY],
                        **facts(quant, CPU_AND_CARD, **cpu))  # fmt: skip
    return write_store(rows, folder)


def test_a_card_is_predicted_by_its_own_rows_though_its_cpu_has_more(tmp_path: Path) -> None:
    advice = recommend(store_of_cpu_and_card(tmp_path, ("F16", "Q8_0", "Q2_K")))
    (card,) = (
        candidate.figures[DECODE]
        for candidate in advice.candidates
        if (candidate.variant.quant, candidate.variant.backend) == ("Q4_K_M", "llamacpp")
    )
    assert card.evidence.kind == PREDICTED
    assert card.value > 3 * RATES["Q4_K_M"]


def test_each_kind_of_device_has_its_own_budget(tmp_path: Path) -> None:
    """8 GB of weights take 20 GB more on the card, which has 24 GiB, than on the CPU with 64."""
    dataset = store_of_cpu_and_card(tmp_path, card_bytes=3.5)
    advice = recommend(dataset)
    assert advice.budget_bytes == 62 * GIB
    lost = {
        (rejection.variant.quant, rejection.variant.backend): rejection
        for rejection in advice.rejected
    }
    assert lost["F16", "llamacpp"].kind == "limit"
    assert lost["F16", "transformers"].kind == "tied"
    assert any("cpu-avx2" in note and "cuda-sm89" in note for note in advice.notes)


def test_cpu_rows_on_a_machine_with_a_card_have_the_machines_memory(tmp_path: Path) -> None:
    advice = recommend(write_store(family(CPU_AND_CARD), tmp_path))
    assert advice.budget_bytes == 62 * GIB


def test_server_card_has_no_memory_reserved_for_a_desktop(
    tmp_path: Path, measured: Dataset
) -> None:
    advice = recommend(write_store(family(SERVER, device_kind="cuda-sm90"), tmp_path))
    assert advice.budget_bytes == 80 * GIB
    assert recommend(measured, Ask(chip="A100 SXM4 80 GB")).budget_bytes == 80 * GIB
    assert recommend(measured, Ask(chip="RTX 4090")).budget_bytes == 24 * GIB - 800 * MIB


def test_reserving_all_memory_is_refused_with_the_machines_name(measured: Dataset) -> None:
    with pytest.raises(InputError, match=r"^AMD EPYC.* reserved of 24 GiB leave nothing"):
        recommend(measured, Ask(memory_bytes=24 * GIB, reserved_bytes=24 * GIB))


def test_only_variant_within_limits_has_no_certainty(measured: Dataset) -> None:
    advice = recommend(measured, Ask(max_bytes=3_000))
    assert advice.sure is None
    assert certainty_text(advice) == "nothing else meets the limits"


def test_few_items_of_a_class_are_noted(tmp_path: Path) -> None:
    rows = Rows()
    rows.tasks("math", [1.0], **facts("Q8_0"))
    notes = recommend(write_store(rows, tmp_path)).notes
    assert any(note.startswith("math was asked with 1 item only") for note in notes)


def test_other_items_of_a_class_are_said_to_be_not_comparable(tmp_path: Path) -> None:
    rows = family()
    other_model: dict[str, Any] = {
        "artifact_id": "other",
        "model": "other",
        "artifact_bytes": 9_000,
    }
    rows.tasks("math", answers(90), **facts("Q8_0", **other_model))
    for item in rows.rows["items"][-100:]:
        item["item"] = f"else{item['item']}"
    notes = recommend(write_store(rows, tmp_path)).notes
    assert "math was asked with other items of other Q8_0: not comparable" in notes


def test_prediction_for_a_model_of_distant_size_says_so(measured: Dataset) -> None:
    pick = recommend(measured, Ask(chip="RTX 4090")).pick
    assert pick is not None
    figure = pick.figures[DECODE]
    assert figure.evidence.text.endswith("(this one is far from them)")
    assert figure.low is not None
    assert figure.high is not None
    assert figure.low < figure.value < figure.high


def test_without_a_parameter_count_there_is_an_answer_without_a_wait(tmp_path: Path) -> None:
    dataset = write_store(family(parameters=0), tmp_path)
    pick = recommend(dataset, Ask(chip="RTX 4090")).pick
    assert pick is not None
    assert pick.figures[DECODE].evidence.kind == PREDICTED
    assert TTFT not in pick.figures
    assert pick.figures[MEMORY].value == SIZES["Q8_0"] + 4096 * 64 + OVERHEAD


def test_alternatives_are_not_printed_as_all_of_these_together(
    measured: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    either = recommend(measured, Ask(hardware=OWN_CLASS, max_bytes=4_000, min_share=0.9))
    assert len(either.relax) > 1
    print_advice(either)
    assert "together" not in capsys.readouterr().out
    every = recommend(measured, Ask(max_bytes=2_000, min_share=0.999, min_decode_tps=1e6))
    assert len(every.relax) > 1
    print_advice(every)
    assert "all of these together" in capsys.readouterr().out
