"""How a verdict is reached: by joint draws, never by ignorance, never across origins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from analysis_cases import variant
from folklore_scenes import (
    make_variant,
    model_of_bits,
    steady_rates,
    variants_at_perplexities,
    variants_at_rates,
    variants_losing,
)

from grid.advice.folklore import (
    CONTRADICTED,
    HOLDS,
    OPEN,
    Judgement,
    combine_findings,
    judge_all,
    rules_of,
)
from grid.advice.folklore.evidence import RuleEvidence
from grid.advice.folklore.loss import uses_grouped_query
from grid.advice.folklore.quants import group_of, has_matrix, is_k_quant, nominal_bits, preset_of
from grid.advice.folklore.rule import Finding
from grid.advice.folklore.verdict import Band, Quantity, judge_within
from grid.analysis import Variant, draw_posterior
from grid.errors import InputError
from grid.models.model import LayerState
from grid.results.statistics import Interval


def judge(rule: str, *classes: list[Variant]) -> Judgement:
    posteriors = {
        f"box {i}": draw_posterior(variants, draws=500) for i, variants in enumerate(classes)
    }
    return judge_all(posteriors, rules_of([rule]), ())[0]


def normal(mean: float, sd: float) -> np.ndarray:
    return mean + sd * np.random.default_rng(0).standard_normal(4000)


NARROW = Band(0.02, 0.03, "2 to 3 %")


def test_a_quantity_inside_the_range_holds() -> None:
    finding = judge_within([Quantity("a", normal(0.025, 0.002))], NARROW)
    assert finding.verdict == HOLDS
    assert finding.numbers["a"] == pytest.approx(0.025, abs=1e-3)
    assert finding.numbers["probability"] > 0.95


@pytest.mark.parametrize("mean", [0.01, 0.04])
def test_a_quantity_surely_on_one_side_contradicts(mean: float) -> None:
    assert judge_within([Quantity("a", normal(mean, 0.002))], NARROW).verdict == CONTRADICTED


def test_wide_posterior_does_not_contradict_a_narrow_range() -> None:
    finding = judge_within([Quantity("a", normal(0.025, 0.5), samples=50)], NARROW)
    assert finding.numbers["probability"] < 0.05
    assert finding.verdict == OPEN
    assert finding.why.endswith("Claim: 2 to 3 %. Data leave it open (intervals are too wide)")


def test_open_finding_says_how_many_samples_would_decide() -> None:
    finding = judge_within([Quantity("a", normal(0.05, 0.02), samples=100)], NARROW)
    assert finding.verdict == OPEN
    # 1.96 * 0.02 / (0.05 - 0.03) = 1.96, squared 3.8: 400 items in place of 100
    assert "About 400 items instead of 100 would decide it" in finding.why


def test_one_counterexample_among_many_is_enough_and_is_named() -> None:
    cases = [Quantity("good", normal(0.025, 0.001)), Quantity("bad", normal(0.08, 0.001))]
    finding = judge_within(cases, NARROW)
    assert finding.verdict == CONTRADICTED
    assert finding.why.startswith("bad 8.0 %")
    assert "(7.8 to 8.2). Claim: 2 to 3 %. Data disagree (over 99 %). As claimed:" in finding.why
    assert "As claimed: good 2.5 %" in finding.why


def test_contradiction_among_many_quantities_needs_more_certainty() -> None:
    draws = np.r_[np.full(970, 0.05), np.full(30, 0.025)]  # outside with P 0.97
    assert judge_within([Quantity("a", draws)], NARROW).verdict == CONTRADICTED
    inside = [Quantity(str(i), np.full(1000, 0.025)) for i in range(9)]
    assert judge_within([Quantity("a", draws), *inside], NARROW).verdict == OPEN


def test_false_contradictions_are_rare() -> None:
    """A true loss of 2.5 %, estimated with an error as large as the range: said wrong in 5 % of
    trials at most on either side."""
    rng = np.random.default_rng(3)
    wrong = 0
    for _ in range(400):
        estimate = 0.025 + 0.01 * rng.standard_normal()
        finding = judge_within([Quantity("a", estimate + 0.01 * rng.standard_normal(500))], NARROW)
        wrong += finding.verdict == CONTRADICTED
    assert wrong <= 0.1 * 400


def test_items_of_a_true_rule_seldom_contradict_it() -> None:
    """Through items and joint draws: a loss of 4.9 %, just inside 3 to 5 %, in 100 worlds."""
    rng, wrong = np.random.default_rng(5), 0
    for _ in range(100):
        whole = rng.random(1000) < 0.8
        lot = rng.random(1000)
        lost, won = whole & (lot < (0.049 * 0.8 + 0.02) / 0.8), ~whole & (lot < 0.02 / 0.2)
        quantized = (whole & ~lost) | won
        rows = [
            variant("F16", 16_000, whole.astype(float).tolist(), quant="F16", sixteen_bit=True),
            variant("Q4_K_M", 4_900, quantized.astype(float).tolist(), quant="Q4_K_M"),
        ]
        wrong += judge("loss-q4_k_m", rows).verdict == CONTRADICTED
    assert wrong <= 10


def test_a_figure_of_unknown_error_decides_nothing() -> None:
    finding = judge_within([Quantity("a", np.full(100, 0.5), error_known=False)], NARROW)
    assert finding.verdict == OPEN
    assert "a 50.0 %" in finding.why
    assert "The error of these figures is not known" in finding.why


def test_an_imported_capability_without_error_decides_nothing() -> None:
    exact = Interval(0.6, n=1)
    imported = [
        replace(make_variant(quant, None), classes={"math": Interval(value)}, weights={"math": 1.0},
                capability=exact if value == 0.6 else Interval(value), origin="a table")
        for quant, value in (("awq-w4g128", 0.6), ("gptq-w4g128", 0.5))
    ]  # fmt: skip
    assert all(v.lacks_uncertainty for v in imported)
    finding = judge("awq-gptq", imported).findings[0]
    assert (finding.verdict, finding.origin) == (OPEN, "a table")
    assert "not known" in finding.why


def test_origins_are_never_mixed_in_a_finding() -> None:
    mine = variants_losing({"Q8_0": 0.005})
    theirs = [
        replace(v, origin="a table", artifact_id=f"{v.artifact_id}!")
        for v in variants_losing({"Q8_0": 0.2})
    ]
    result = judge("loss-q8_0", [*mine, *theirs])
    assert [(f.origin, f.verdict) for f in result.findings] == [
        ("", HOLDS),
        ("a table", CONTRADICTED),
    ]
    assert result.verdict == HOLDS  # rows measured here decide


def test_imported_rows_decide_where_measured_ones_do_not() -> None:
    open_here = Finding(OPEN, "")
    assert combine_findings([open_here, Finding(CONTRADICTED, "", origin="t")]) == CONTRADICTED
    assert combine_findings([open_here]) == OPEN
    assert combine_findings([]) == OPEN


def test_hardware_that_contradicts_outweighs_hardware_that_agrees() -> None:
    good = variants_at_rates({"F16": steady_rates(100), "Q8_0": steady_rates(120)})
    bad = variants_at_rates(
        {"F16": steady_rates(100), "Q8_0": steady_rates(80)}, hardware_class="other box"
    )
    result = judge("speed-q8_0", good, bad)
    assert [f.verdict for f in result.findings] == [HOLDS, CONTRADICTED]
    assert [f.scope for f in result.findings] == ["box", "other box"]
    assert result.verdict == CONTRADICTED


def test_the_smallest_variant_of_all_says_nothing_of_never_use_q2_k() -> None:
    finding = judge(
        "never-q2_k", [make_variant("Q2_K", 0.7), make_variant("Q4_K_M", 0.6)]
    ).findings[0]
    assert finding.verdict == OPEN
    assert not finding.numbers


def test_other_engine_options_are_not_another_subject() -> None:
    twice = [
        replace(v, options=options)
        for v in variants_losing({"Q8_0": 0.005})
        for options in ("{}", '{"threads": 1}')
    ]
    finding = judge("loss-q8_0", twice).findings[0]
    assert len(finding.numbers) == 4  # value, low, high of one case, and the probability


def test_a_single_speed_without_error_decides_nothing() -> None:
    finding = judge("speed-q8_0", variants_at_rates({"F16": [100.0], "Q8_0": [120.0]})).findings[0]
    assert finding.verdict == OPEN
    assert "not known" in finding.why


def test_rows_that_lack_sizes_and_parameters_break_no_rule() -> None:
    bare = [
        variant("Q4_K_M", 0, {}, parameters=None, quant="Q4_K_M"),
        variant("F16", 0, {}, parameters=None, quant="F16", sixteen_bit=True),
    ]
    results = judge_all({"box": draw_posterior(bare, draws=50)}, shapes=())
    assert {judgement.verdict for judgement in results} == {OPEN}


def test_every_rule_is_open_without_rows() -> None:
    assert {judgement.verdict for judgement in judge_all({})} == {OPEN}
    empty = judge_all({"box": draw_posterior([])}, shapes=())
    assert {judgement.verdict for judgement in empty} == {OPEN}


def test_verdicts_do_not_depend_on_the_order_of_rows() -> None:
    rows = variants_losing({"Q8_0": 0.01, "Q4_K_M": 0.04}, 200)
    first, second = judge("loss-q4_k_m", rows), judge("loss-q4_k_m", rows[::-1])
    assert first.findings == second.findings


def test_bits_of_a_much_larger_model_may_be_fewer() -> None:
    """8B at 3.16 bits says 2.91 to 3.16 of 405B: 147 to 160 GB, not 95."""
    finding = judge("size-128-405b-q2_k", model_of_bits("Q2_K", 3.16)).findings[0]
    assert finding.verdict == CONTRADICTED
    assert "weights 147 to 160 GB" in finding.why


def test_an_unknown_rule_names_the_nearest() -> None:
    with pytest.raises(InputError, match="Did you mean 'cliff'"):
        rules_of(["clif"])


@pytest.mark.parametrize(
    ("quant", "bits"),
    [
        ("Q4_K_M", 4), ("IQ2_XS", 2), ("i1-Q3_K_M", 3), ("UD-Q4_K_XL", 4), ("q8", 8),
        ("gptq-w4g128", 4), ("awq-w8g32", 8), ("mlx-4bit-g64", 4), ("mlx-mxfp4", 4),
        ("bnb-nf4", 4), ("bnb-int8", 8), ("torchao-int4wo-g128", 4), ("fp8", 8), ("bf16", 16),
        ("ct-pack-quantized-w4g128", 4), ("TQ1_0", 1), ("gptq", None),
    ],
)  # fmt: skip
def test_nominal_bits_are_read_from_quant_names(quant: str, bits: int | None) -> None:
    assert nominal_bits(quant) == bits


def test_preset_matrix_and_group_are_read_from_quant_names() -> None:
    assert preset_of("i1-q4_K_M (imatrix)") == "Q4_K_M"
    assert has_matrix("i1-Q4_K_M")
    assert has_matrix("q4_K_M (WT 10m)")
    assert not has_matrix("Q4_K_M")
    assert is_k_quant("q3_K_S")
    assert not is_k_quant("IQ4_XS")
    assert group_of("awq-w4g128") == group_of("gptq-w4g128-act") == "128"
    assert group_of("Q4_0") == ""


@pytest.mark.parametrize(
    ("model", "parameters", "layers", "width", "shared"),
    [
        ("Llama-3-8B", 8_030_261_248, 32, 1024, True),
        ("Llama-2-7B", 6_738_415_616, 32, 4096, False),
        ("SmolLM2-135M", 134_515_008, 30, 192, True),
        ("GPT-2", 124_439_808, 12, 768, False),
        ("Phi-3-mini", 3_821_079_552, 32, 3072, False),
        ("Qwen2.5-0.5B", 494_032_768, 24, 128, True),
    ],
)
def test_shared_heads_are_seen_in_the_cache_of_known_models(
    model: str, parameters: int, layers: int, width: int, shared: bool
) -> None:
    states = (LayerState(key=width, value=width),) * layers
    subject = make_variant("F16", None, model=model, parameters=parameters, layers=states)
    assert uses_grouped_query(subject) is shared


def test_without_layers_the_kind_of_attention_is_unknown() -> None:
    assert uses_grouped_query(make_variant("F16", None)) is None


def test_code_and_chat_must_have_been_asked_to_lose_last() -> None:
    whole = {"reasoning": 0.8, "language": 0.8}
    quantized = {"reasoning": 0.5, "language": 0.78}
    judgement = judge(
        "hard-tasks-first", [make_variant("F16", whole), make_variant("Q3_K_M", quantized)]
    )
    assert judgement.verdict == OPEN
    assert (
        "Only language, reasoning measured: neither code nor instruction"
        in judgement.findings[0].why
    )


def test_code_that_loses_more_than_language_contradicts_that_it_loses_last() -> None:
    whole = dict.fromkeys(("reasoning", "language", "code"), 0.8)
    quantized = {"reasoning": 0.3, "language": 0.78, "code": 0.4}
    judgement = judge(
        "hard-tasks-first", [make_variant("F16", whole), make_variant("Q3_K_M", quantized)]
    )
    # reasoning loses more than both; reasoning and language lose 0.325 in the mean, code 0.5
    assert judgement.verdict == CONTRADICTED
    assert "loss in reasoning and language minus that in code -1" in judgement.findings[0].why


def test_a_skewed_interval_has_skewed_draws() -> None:
    evidence = RuleEvidence(draw_posterior([make_variant("F16", None)], draws=4000))
    draws = evidence.normal_draws(Interval(1.0, 0.9, 3.0), "skewed")
    assert np.quantile(draws, [0.025, 0.5, 0.975]) == pytest.approx([0.9, 1.0, 3.0], abs=0.1)


@pytest.mark.parametrize(("rule", "name"), [("vram-half", "Q8_0"), ("size-formula", "Q2_K")])
def test_small_models_decide_no_rule_on_sizes(rule: str, name: str) -> None:
    small = [make_variant(quant, None, parameters=7 * 10**6) for quant in ("F16", name)]
    (finding,) = judge(rule, small).findings
    assert (finding.verdict, finding.has_rows) == (OPEN, False)
    assert "a model of 1B parameters or more" in finding.why


def test_a_ratio_without_its_error_gives_way_to_perplexities_with_theirs() -> None:
    variants = variants_at_perplexities({"Q8_0": 0.5})
    bare = {"ln_ppl_ratio": Interval(float(np.log1p(0.5 / 6)))}
    (finding,) = judge("ppl-q8_0", [variants[0], replace(variants[1], text_metrics=bare)]).findings
    assert finding.verdict == CONTRADICTED
    assert "(unpaired)" in finding.why


def test_a_ratio_of_few_repetitions_is_shown_by_its_median() -> None:
    """Two repetitions leave a rate tails whose mean is any number."""
    slow, fast = make_variant("F16", None), make_variant("Q8_0", None)
    timed = variants_at_rates({"F16": [3.0, 90.0], "Q8_0": [40.0, 60.0]})
    finding = judge("speed-q8_0", [replace(slow, decode=timed[0].decode),
                                   replace(fast, decode=timed[1].decode)]).findings[0]  # fmt: skip
    name = "base Q8_0 over F16"
    low, value, high = (finding.numbers[key] for key in (f"{name}, low", name, f"{name}, high"))
    assert low < value < high
