"""What to run, with the evidence: small stores whose answers are worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from advice_cases import (
    KV_TOKEN,
    OVERHEAD,
    OWN_CLASS,
    add_quality,
    add_speed,
    facts,
    family,
    picked_quant,
    reasons_by_quant,
    write_store,
)
from analysis_cases import SIZES, Rows

from grid.advice import Ask, pick_card, recommend
from grid.advice.advice import DECODE, MEASURED_HERE, MEMORY, TTFT
from grid.advice.sentences import headline
from grid.advice.to_json import to_data
from grid.analysis.dataset import Dataset
from grid.analysis.memory import ASSUMED_OVERHEAD
from grid.errors import InputError
from grid.units import GIB


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write_store(family(), tmp_path_factory.mktemp("family"))


def test_only_measured_class_is_the_default_machine(measured: Dataset) -> None:
    assert recommend(measured).hardware == OWN_CLASS


def test_tie_in_capability_goes_to_the_smaller_artifact(measured: Dataset) -> None:
    advice = recommend(measured)
    assert picked_quant(advice) == "Q8_0"  # the same answers as F16
    assert reasons_by_quant(advice)["F16"].startswith(
        "tied within 0.01 of capability, but 7.32 KiB larger"
    )


def test_the_runner_up_is_what_would_be_run_without_the_pick(measured: Dataset) -> None:
    advice = recommend(measured)
    assert advice.runner_up is not None
    assert advice.runner_up.variant.quant == "F16"
    assert advice.runner_why.startswith("tied")


def test_other_options_of_the_pick_are_no_runner_up(tmp_path: Path) -> None:
    rows = family()
    add_speed(rows, "Q8_0", options='{"threads": 1, "batch": 512}')
    advice = recommend(write_store(rows, tmp_path))
    assert picked_quant(advice) == "Q8_0"
    assert advice.runner_up is not None
    assert advice.runner_up.variant.quant == "F16"


def test_memory_is_weights_plus_cache_plus_overhead(measured: Dataset) -> None:
    pick = recommend(measured, Ask(context=2000, kv_type="q8_0")).pick
    assert pick is not None
    cache = 2000 * KV_TOKEN / 2 * 34 / 32
    assert pick.weights_bytes == SIZES["Q8_0"]
    assert pick.kv_bytes == cache
    assert pick.figures[MEMORY].value == SIZES["Q8_0"] + cache + OVERHEAD


def test_budget_is_memory_less_what_the_system_takes(measured: Dataset) -> None:
    advice = recommend(measured)
    assert advice.budget_bytes == 22 * GIB
    assert "2 GiB of 24 GiB" in advice.budget_why


def test_a_budget_in_bytes_admits_what_fits_exactly(measured: Dataset) -> None:
    need = SIZES["Q4_K_M"] + 1000 * KV_TOKEN + OVERHEAD
    fits = recommend(measured, Ask(memory_bytes=need, reserved_bytes=0, context=1000))
    assert picked_quant(fits) == "Q4_K_M"
    short = recommend(measured, Ask(memory_bytes=need - 1, reserved_bytes=0, context=1000))
    assert picked_quant(short) == "Q2_K"


def test_unknown_kv_cache_is_left_out_of_memory_and_noted(tmp_path: Path) -> None:
    rows = Rows()
    for quant in ("Q8_0", "Q4_K_M"):
        rows.decode([1.0, 1.01], **facts(quant, kv_cache=None))
        add_quality(rows, quant, kv_cache=None)
    rows.quality(0.0, **facts("Q8_0", kv_cache=None))
    pick = recommend(write_store(rows, tmp_path)).pick
    assert pick is not None
    assert pick.kv_bytes is None
    assert pick.figures[MEMORY].value == SIZES["Q8_0"] + ASSUMED_OVERHEAD
    assert "without the KV cache, which is not known" in pick.figures[MEMORY].evidence.text


def test_the_first_token_waits_for_the_prompt_and_one_step(measured: Dataset) -> None:
    pick = recommend(measured, Ask(prompt=800)).pick
    assert pick is not None
    figure = pick.figures[TTFT]
    assert figure.value == pytest.approx(800 / 400 + 1 / 40, rel=0.01)
    assert "800 tokens / prefill rate + 1 / decode rate" in figure.evidence.text


def test_a_measured_latency_counts_where_its_prompt_is_near(tmp_path: Path) -> None:
    rows = family()
    workload = {"type": "latency", "prompt": 500, "generate": 32}
    rows.attempt("latency", workload, metrics={"ttft_s": 7.0}, **facts("Q8_0"))
    dataset = write_store(rows, tmp_path)
    near, far = (recommend(dataset, Ask(prompt=tokens)).pick for tokens in (512, 2000))
    assert near is not None
    assert far is not None
    assert near.figures[TTFT].value == 7.0
    assert "latency after 500 tokens" in near.figures[TTFT].evidence.text
    assert far.figures[TTFT].value == pytest.approx(2000 / 400 + 1 / 40, rel=0.01)


def test_ttft_limit_excludes_slow_variants(measured: Dataset) -> None:
    advice = recommend(measured, Ask(max_ttft_s=1.0))
    assert picked_quant(advice) == "Q4_K_M"
    assert reasons_by_quant(advice)["Q8_0"] == "time to first token at most 1.0 s is not met"


def test_a_context_beyond_what_a_model_is_made_for_is_not_met(measured: Dataset) -> None:
    advice = recommend(measured, Ask(context=10_000))
    assert advice.pick is None
    assert "context at least 10000 tokens is not met" in reasons_by_quant(advice)["Q8_0"]
    assert any(step.text.startswith("lower context from 10000 tokens") for step in advice.relax)


def test_default_context_is_at_most_what_a_model_is_made_for(tmp_path: Path) -> None:
    advice = recommend(write_store(family(context_length=1024), tmp_path))
    assert advice.pick is not None
    assert advice.pick.context == 1024


def test_what_a_limit_costs_is_the_capability_without_it(measured: Dataset) -> None:
    advice = recommend(measured, Ask(min_decode_tps=50.0, max_bytes=20_000))
    assert picked_quant(advice) == "Q4_K_M"
    costs = {cost.limit: cost for cost in advice.costs}
    assert costs["max_bytes"].without is None
    rate = costs["min_decode_tps"]
    assert rate.without is not None
    assert rate.without.quant == "Q8_0"
    assert rate.capability is not None
    assert rate.capability.value == pytest.approx(0.05 / 0.75)
    assert rate.capability.low is not None
    assert rate.capability.low > 0


def test_a_step_says_which_task_pays(tmp_path: Path) -> None:
    rows = family()
    for quant, count in {"F16": 90, "Q8_0": 90, "Q4_K_M": 90, "Q2_K": 90}.items():
        add_quality(rows, quant, classes={"recall": count})
    advice = recommend(write_store(rows, tmp_path))
    down = next(step for step in advice.steps if step.direction == "down")
    assert down.candidate.variant.quant == "Q4_K_M"
    assert [(class_change.task_class, class_change.sure) for class_change in down.classes] == [
        ("math", True),
        ("recall", False),
    ]
    assert down.speed == pytest.approx(1.5, rel=0.01)
    assert down.bytes_more == SIZES["Q4_K_M"] - SIZES["Q8_0"]


def test_a_step_up_that_breaks_a_limit_says_so(measured: Dataset) -> None:
    advice = recommend(measured, Ask(max_bytes=5_000))
    (up,) = (step for step in advice.steps if step.direction == "up")
    assert up.candidate.variant.quant == "Q8_0"
    assert up.blocked == "size at most 4.88 KiB is not met"
    assert up.capability.value == pytest.approx(0.05 / 0.75)


def test_smallest_variant_has_no_step_down(measured: Dataset) -> None:
    advice = recommend(measured, Ask(max_bytes=3_000))
    assert [step.direction for step in advice.steps] == ["up"]


def test_the_pick_is_sure_where_no_rival_is_near(measured: Dataset) -> None:
    assert recommend(measured, Ask(max_bytes=5_000)).sure == pytest.approx(1.0, abs=0.01)


def test_a_smaller_pick_says_how_far_below_the_best_it_may_be(tmp_path: Path) -> None:
    rows = family()
    rival = {"artifact_id": "more", "model": "more", "artifact_bytes": 17_000}
    add_speed(rows, "F16", **rival)
    rows.tasks("math", [0.0] * 3 + [1.0] * 97, **facts("F16", **rival))
    dataset = write_store(rows, tmp_path)
    larger = recommend(dataset)
    assert larger.pick is not None
    assert larger.pick.variant.model == "more", "0.027 of capability is more than is tolerated"
    advice = recommend(dataset, Ask(tolerance=0.05))
    assert picked_quant(advice) == "Q8_0"
    assert advice.tolerance == 0.05
    assert advice.expected_loss == pytest.approx(0.027, abs=0.01)
    assert advice.best is not None
    assert advice.best.variant.model == "more"
    assert advice.gap is not None
    assert advice.gap.value == pytest.approx(0.02 / 0.75)
    assert advice.sure is not None
    assert 0.05 < advice.sure < 0.95


def test_classes_that_a_use_lacks_are_noted(tmp_path: Path) -> None:
    rows = family()
    for quant in SIZES:
        add_quality(rows, quant, classes={"reasoning": 80})
    advice = recommend(write_store(rows, tmp_path), Ask(use="code"))
    assert advice.weights == {"reasoning": 1.0}
    assert advice.absent == ("code", "context")
    assert any("code and context not measured" in note for note in advice.notes)
    card = pick_card(advice)
    assert card is not None
    assert card.reason.endswith("; code and context not measured")


def test_own_weights_override_the_use(tmp_path: Path) -> None:
    rows = family()
    for quant in SIZES:
        add_quality(rows, quant, classes={"recall": 80})
    ask = Ask(use="code", weights={"math": 3, "recall": 1})
    assert recommend(write_store(rows, tmp_path), ask).weights == {"math": 0.75, "recall": 0.25}


def test_a_context_far_too_long_names_no_memory_that_a_shorter_one_spares(
    measured: Dataset,
) -> None:
    advice = recommend(measured, Ask(context=99_999_999))
    assert advice.pick is None
    (step,) = advice.relax
    assert (step.limit, step.together) == ("min_context", False)
    assert recommend(measured, Ask(context=int(step.to))).pick is not None


def test_a_budget_below_everything_is_a_plain_sentence(measured: Dataset) -> None:
    advice = recommend(measured, Ask(memory_bytes=1000, reserved_bytes=0, context=100))
    assert advice.pick is None
    need = SIZES["Q2_K"] + 100 * KV_TOKEN + OVERHEAD
    assert headline(advice) == (
        "nothing fits: models can have 1000 B, and the least, base Q2_K, needs "
        f"{need / 1024:.3g} KiB with 100 tokens of context"
    )
    assert advice.relax[0].to == need


def test_a_shorter_context_is_offered_where_memory_alone_is_in_the_way(measured: Dataset) -> None:
    memory = SIZES["Q2_K"] + 50 * KV_TOKEN + OVERHEAD
    advice = recommend(measured, Ask(memory_bytes=memory, reserved_bytes=0, context=1000))
    assert advice.pick is None
    assert "lower context from 1000 to 50 tokens for base Q2_K" in [s.text for s in advice.relax]
    shorter = recommend(measured, Ask(memory_bytes=memory, reserved_bytes=0, context=50))
    assert picked_quant(shorter) == "Q2_K"


def test_limits_that_contradict_each_other_are_named_as_such(measured: Dataset) -> None:
    advice = recommend(measured, Ask(max_bytes=4_000, min_share=0.9))
    assert advice.contradictory
    assert headline(advice).startswith("the limits contradict each other")
    assert {step.limit for step in advice.relax} == {"max_bytes", "min_share"}


def test_the_pick_says_how_to_measure_it_again(measured: Dataset) -> None:
    place = measured.display_name
    assert recommend(measured).replay == f"grid sweep --store {place} --fresh"


def test_store_without_a_capability_is_refused(tmp_path: Path) -> None:
    rows = Rows()
    rows.decode([1.0, 1.01], **facts("Q8_0"))
    with pytest.raises(InputError, match="has a capability"):
        recommend(write_store(rows, tmp_path))


def test_share_limit_without_a_16_bit_reference_gives_no_pick(tmp_path: Path) -> None:
    rows = Rows()
    for quant in ("Q8_0", "Q4_K_M"):
        add_speed(rows, quant)
        add_quality(rows, quant)
    dataset = write_store(rows, tmp_path)
    assert picked_quant(recommend(dataset)) == "Q8_0"
    shared = recommend(dataset, Ask(min_share=0.9))
    assert shared.pick is None
    assert headline(shared).startswith("nothing can be said")


def test_json_has_pick_costs_and_rejected(measured: Dataset) -> None:
    data = to_data(recommend(measured, Ask(min_decode_tps=50.0)))
    assert data["pick"]["quant"] == "Q4_K_M"
    assert data["pick"]["figures"][DECODE]["evidence"]["kind"] == MEASURED_HERE
    assert data["costs"][0]["without"]["quant"] == "Q8_0"
    assert {rejection["quant"] for rejection in data["rejected"]} == {"F16", "Q8_0", "Q2_K"}
