"""The pick under limits."""

import math

import numpy as np
import pytest
from analysis_cases import variant
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.analysis import Limits, picks, typical_limits
from grid.analysis.limits import probability_met, tightest_limits
from grid.errors import InputError
from grid.results.statistics import Interval

MIB = 2**20


def right(count: int, of: int = 400) -> list[float]:
    return [1.0] * count + [0.0] * (of - count)


def steady(rate: float) -> list[float]:
    return [rate * 0.999, rate, rate * 1.001, rate * 1.0005, rate * 0.9995]


FAMILY = [
    variant("F16", 16 * MIB, right(300), steady(20), sixteen_bit=True),
    variant("Q8_0", 8 * MIB, right(298), steady(40)),
    variant("Q4_K_M", 5 * MIB, right(280), steady(60)),
    variant("Q2_K", 3 * MIB, right(200), steady(80)),
]


def pick(limits: Limits, of=FAMILY):
    return picks(of, [limits])[0]


def reasons(result):
    return {
        rejection.variant.quant: (rejection.kind, rejection.reason) for rejection in result.rejected
    }


def test_a_tie_in_capability_goes_to_the_smaller():
    # Two more right answers of 400, both in the larger one's favour, are no proof.
    result = pick(Limits())
    assert result.variant.quant == "Q8_0"
    assert result.best.quant == "F16"
    assert [tie.quant for tie in result.tied] == ["F16"]
    assert reasons(result)["F16"] == ("tied", "tied within 0.01 of capability, but 8 MiB larger")


def test_rejections_say_how_much_less_capable_a_variant_is():
    kind, reason = reasons(pick(Limits()))["Q4_K_M"]
    assert kind == "less capable"
    assert reason.startswith("capability 0.050 (0.0")
    assert reason.endswith("below base F16")


def test_a_variant_beaten_on_all_counts_is_called_dominated():
    bad = variant("bad", 17 * MIB, right(100), steady(10))
    assert reasons(pick(Limits(), [*FAMILY, bad]))["bad"][1].startswith("dominated: capability")


def test_a_tie_in_size_too_goes_to_the_faster():
    twins = [
        variant("slow", MIB, right(200), steady(10)),
        variant("fast", MIB, right(200), steady(11)),
    ]
    result = pick(Limits(), twins)
    assert result.variant.quant == "fast"
    assert reasons(result)["slow"] == (
        "tied",
        "tied within 0.01 of capability, of one size, but not faster",
    )


def test_a_size_limit_must_hold_as_measured():
    result = pick(Limits(max_bytes=5 * MIB))
    assert result.variant.quant == "Q4_K_M"
    assert reasons(result)["Q8_0"] == ("limit", "size at most 5 MiB is not met")


def test_a_rate_limit_must_hold_with_probability_0_9():
    shaky = variant("shaky", MIB, right(399), [30.0, 80.0, 45.0, 60.0, 52.0])
    result = pick(Limits(min_decode_tps=50), [*FAMILY, shaky])
    assert result.variant.quant == "Q4_K_M"
    kind, reason = reasons(result)["shaky"]
    assert kind == "limit"
    assert "decode rate at least 50 token/s holds with probability 0." in reason


def test_a_share_of_the_16_bit_capability_is_paired():
    result = pick(Limits(min_share=0.9, max_bytes=9 * MIB))
    assert result.variant.quant == "Q8_0"
    assert reasons(result)["Q2_K"][1].startswith("share of 16-bit capability at least 90 %")


def test_the_16_bit_model_keeps_all_of_itself():
    assert pick(Limits(min_share=1.0)).variant.quant == "F16"


def test_without_a_16_bit_variant_its_share_is_unknown():
    result = pick(Limits(min_share=0.5), FAMILY[1:])
    assert result.variant is None
    assert reasons(result)["Q8_0"] == ("unmeasured", "no share of 16-bit capability")


def test_a_share_of_a_model_at_chance_is_unknown():
    guess = variant("F16", 16, [1.0, -1.0] * 50, steady(1), sixteen_bit=True)
    assert pick(Limits(min_share=0.1), [guess]).variant is None


def test_unmeasured_memory_does_not_meet_a_limit():
    measured = variant("known", MIB, right(10), peak_rss_bytes=Interval(5.0 * MIB))
    result = pick(Limits(max_peak_bytes=6 * MIB), [*FAMILY, measured])
    assert result.variant.quant == "known"
    assert reasons(result)["F16"] == ("unmeasured", "no peak memory")


def test_a_variant_without_capability_is_no_candidate():
    blank = variant("blank", 1, right(10), capability=None, missing=("recall",))
    assert reasons(pick(Limits(), [*FAMILY, blank]))["blank"] == (
        "unmeasured",
        "no capability (no recall)",
    )


def test_where_nothing_fits_the_limit_to_relax_is_named_with_the_amount():
    result = pick(Limits(max_bytes=2 * MIB))
    assert result.variant is None
    (step,) = result.relax
    assert (step.limit, step.to, step.variant.quant) == ("max_bytes", 3 * MIB, "Q2_K")
    assert step.text == "raise size from 2 MiB to 3 MiB for base Q2_K"


def test_each_single_limit_that_would_be_enough_is_listed():
    result = pick(Limits(max_bytes=4 * MIB, min_share=0.9))
    assert {step.limit: step.variant.quant for step in result.relax} == {
        "max_bytes": "Q4_K_M",
        "min_share": "Q2_K",
    }


def test_the_named_relaxation_gives_a_pick():
    limits = Limits(max_bytes=4 * MIB, min_decode_tps=100)
    for step in pick(limits).relax:
        relaxed = Limits(**{**{f: getattr(limits, f) for f in ("max_bytes", "min_decode_tps")},
                          step.limit: step.to})  # fmt: skip
        assert pick(relaxed).variant == step.variant


def test_where_no_single_change_is_enough_all_changes_are_listed():
    result = pick(Limits(max_bytes=MIB, min_decode_tps=100))
    assert {step.limit for step in result.relax} == {"max_bytes", "min_decode_tps"}
    assert len({step.variant.quant for step in result.relax}) == 1


def test_no_variants_give_no_pick_and_nothing_to_relax():
    result = pick(Limits(max_bytes=1), [])
    assert (result.variant, result.rejected, result.relax) == (None, (), ())


@pytest.mark.parametrize(
    "limits", [{"max_bytes": 0}, {"min_decode_tps": -1}, {"min_share": 95}, {"max_bytes": math.nan}]
)
def test_non_positive_limits_and_shares_above_one_are_refused(limits):
    with pytest.raises(InputError, match=next(iter(limits))):
        Limits(**limits)


def test_typical_limits_come_from_the_data():
    demands = typical_limits(FAMILY)
    assert [limits.name for limits in demands] == [
        "as good as the best",
        "at most 8 MiB (half of 16 bits)",
        "at most 4 MiB (a quarter of 16 bits)",
        "at least 40 token/s (half of the fastest)",
        "at most 8 MiB, 95 % as capable as 16 bits",
    ]
    assert [result.variant.quant for result in picks(FAMILY, demands)][:3] == [
        "Q8_0",
        "Q8_0",
        "Q2_K",
    ]


def test_typical_limits_of_no_variants_are_empty():
    assert typical_limits([]) == []


def test_the_tightest_limit_is_met_and_nothing_tighter_is():
    draws = np.random.default_rng(0).normal(10, 1, (777, 1))
    low, high = tightest_limits(draws, upper=False), tightest_limits(draws, upper=True)
    assert probability_met(draws, float(low[0]), upper=False)[0] >= 0.9
    assert probability_met(draws, float(high[0]), upper=True)[0] >= 0.9
    assert probability_met(draws, float(low[0]) + 0.1, upper=False)[0] < 0.9
    assert probability_met(draws, float(high[0]) - 0.1, upper=True)[0] < 0.9


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(4)), st.sampled_from([2, 4, 6, 9, 20]))
def test_the_pick_meets_its_limit_whatever_the_order(order, size):
    result = picks([FAMILY[i] for i in order], [Limits(max_bytes=size * MIB)], draws=200)[0]
    plain = picks(FAMILY, [Limits(max_bytes=size * MIB)], draws=200)[0]
    assert result.variant == plain.variant
    assert result.variant is None or result.variant.artifact_bytes <= size * MIB
    assert len(result.rejected) == (4 if result.variant is None else 3)


def test_a_relaxation_that_admits_several_names_the_most_capable():
    contexts = {"min_context": np.array([[4096.0, 4096.0, 4096.0, 2048.0]])}
    result = picks(FAMILY, [Limits(min_context=8192)], extra_draws=contexts)[0]
    (step,) = result.relax
    assert step.text == "lower context from 8192 tokens to 4096 tokens for base F16"
