"""Duels of variants of about equal size. Counts marked "store" are of a real sweep of two small
models, joined by item with DuckDB."""

import numpy as np
import pytest
from analysis_cases import variant
from scipy.stats import binomtest

from grid.analysis import draw_posterior
from grid.analysis.duels import bang, duels, paired_differences, quant_family
from grid.errors import InputError
from grid.results.statistics import Interval, holm_correction, sign_flip_test
from grid.units import GIB


def paired(wins, losses, shared, n=100):
    """Scores [n] of two runs with these counts of items right in the first only, the second only
    and both."""
    first = [1.0] * wins + [0.0] * losses + [1.0] * shared
    second = [0.0] * wins + [1.0] * losses + [1.0] * shared
    neither = [0.0] * (n - wins - losses - shared)
    return first + neither, second + neither


def two(wins, losses, shared, sizes=(1000, 1000), names=("IQ4_NL", "Q4_K_S"), **fields):
    gains = paired(wins, losses, shared)
    return [variant(names[i], sizes[i], gains[i], **fields) for i in (0, 1)]


def test_a_duel_of_real_answers_has_the_exact_p_of_mcnemar():
    (duel,) = duels(draw_posterior(two(0, 18, 72)))  # store: reasoning, IQ4_NL against Q4_K_S
    assert (duel.left.quant, duel.right.quant, duel.n) == ("IQ4_NL", "Q4_K_S", 100)
    assert duel.difference.value == pytest.approx(-0.18)
    assert duel.p_value == pytest.approx(binomtest(0, 18).pvalue)
    assert (duel.test, duel.verdict) == ("exact McNemar", "right")
    assert duel.winner is duel.right
    assert duel.difference.low < -0.18 < duel.difference.high < 0


def test_a_few_answers_of_difference_are_a_tie():
    (duel,) = duels(draw_posterior(two(2, 4, 84)))  # store: language, the same two
    assert duel.p_value == pytest.approx(binomtest(2, 6).pvalue)
    assert (duel.verdict, duel.winner) == ("tie", None)


def test_classes_weigh_as_in_the_composite():
    math, recall = paired(6, 16, 5), paired(0, 6, 46)  # store: Q4_K_M against F16
    chance = 1 / 12
    left, right = (
        variant(
            name,
            1000,
            {"math": math[i], "recall": [(s - chance) / (1 - chance) for s in recall[i]]},
        )
        for i, name in enumerate(("Q4_K_M", "F16"))
    )
    differences = paired_differences(left, right)
    assert differences.sum() == pytest.approx((-0.10 - 0.06 / (1 - chance)) / 2)
    assert differences.sum() == pytest.approx(left.capability.value - right.capability.value)
    (duel,) = duels(draw_posterior([left, right]))
    assert duel.test == "10000 sign flips"
    assert duel.n == 200


def test_only_items_that_both_were_asked_are_paired():
    short = variant("Q4_0", 1000, [1.0, 0.0, 1.0, 1.0])
    long = variant("Q4_K_M", 1000, [1.0, 1.0, 1.0, 0.0, 1.0, 1.0])
    assert paired_differences(short, long).tolist() == [0.0, -0.25, 0.0, 0.25]


def test_figures_with_a_standard_error_but_no_items_are_judged_by_their_draws_alone():
    figure = {"math": Interval(0.9, sd=0.02)}
    bare = variant("AWQ", 1000, [1.0, 0.0], items={}, classes=figure, capability=figure["math"])
    left = variant("Q4_0", 1000, [1.0] * 10 + [0.0] * 90)
    (duel,) = duels(draw_posterior([left, bare]))
    assert (duel.p_value, duel.p_holm, duel.test) == (None, None, "no items in common")
    assert duel.winner is bare


def test_pairs_are_of_about_equal_bytes():
    assert len(duels(draw_posterior(two(0, 18, 72, sizes=(1000, 1100))))) == 1
    assert duels(draw_posterior(two(0, 18, 72, sizes=(1000, 1101)))) == []
    assert len(duels(draw_posterior(two(0, 18, 72, sizes=(1000, 1101))), tolerance=0.11)) == 1


def test_the_same_model_in_the_same_kind_of_quant_is_no_duel_but_another_model_is():
    variants = two(0, 18, 72, names=("Q4_K_M", "Q4_K_S"))
    assert duels(draw_posterior(variants)) == []
    small, large = paired(3, 3, 78)
    ones = [
        variant("Q2_K", 1000, large, model="large", parameters=9),
        variant("Q8_0", 1000, small, model="small", parameters=3),
    ]
    (duel,) = duels(draw_posterior(ones))
    assert (duel.left.label, duel.right.label) == ("small Q8_0", "large Q2_K")
    assert duel.size_ratio == 1.0


def test_p_values_are_corrected_for_all_duels_of_the_table():
    rng = np.random.default_rng(0)
    names = ("Q4_0", "Q4_K_M", "IQ4_NL")
    variants = [variant(name, 1000, (rng.random(200) < 0.5).astype(float)) for name in names]
    results = duels(draw_posterior(variants))
    assert [duel.p_holm for duel in results] == pytest.approx(
        holm_correction([d.p_value for d in results])
    )
    assert all(duel.p_holm >= duel.p_value for duel in results)
    # A p of 0.039 alone would win; among several it does not.
    (alone,) = duels(draw_posterior(two(1, 8, 50)))
    third = variant("AWQ", 1000, paired(1, 8, 50)[0], format="awq")
    among = duels(draw_posterior([*two(1, 8, 50), third]))
    assert alone.p_value == pytest.approx(0.0390625)
    assert alone.verdict == "right"
    assert {duel.verdict for duel in among} == {"tie"}


def test_holm_by_hand():
    assert holm_correction([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm_correction([]) == []
    assert holm_correction([0.9, 0.8]) == [1.0, 1.0]


def test_sign_flips_of_unequal_differences_by_hand():
    # signs of 1, 2, 4: |sum| >= 7 in 2 of 8 patterns; of 1, 2, -4: |sum| >= 1 always
    assert sign_flip_test([1.0, 2.0, 4.0, 0.0]) == (0.25, "all sign flips")
    assert sign_flip_test([1.0, 2.0, -4.0]) == (1.0, "all sign flips")
    assert sign_flip_test([0.0, 0.0]) == (1.0, "exact McNemar")


def test_bang_per_bit_is_capability_per_gib():
    half, most = [1.0] * 50 + [0.0] * 50, [1.0] * 80 + [0.0] * 20
    variants = [variant("F16", 4 * GIB, most), variant("Q4_0", GIB, half), variant("Q2_K", 0, half)]
    best, worst = bang(draw_posterior(variants))
    assert (best.variant.quant, best.gib, best.per_gib.value) == ("Q4_0", 1.0, 0.5)
    assert worst.per_gib.value == pytest.approx(0.2)
    # sd of a share of 100: 0.05
    assert best.per_gib.high - best.per_gib.low == pytest.approx(2 * 1.96 * 0.05, abs=0.03)


def test_variants_without_capability_have_no_duel():
    blank = variant("Q4_0", 1000, [1.0, 0.0], capability=None, missing=("math",))
    rival = variant("Q4_K_M", 1000, [1.0, 0.0])
    assert duels(draw_posterior([blank, rival])) == []
    assert [row.variant for row in bang(draw_posterior([blank, rival]))] == [rival]


@pytest.mark.parametrize(
    ("quant", "family"),
    [
        ("Q4_K_M", "K-quant"), ("Q6_K", "K-quant"), ("IQ4_XS", "I-quant"), ("TQ1_0", "I-quant"),
        ("Q4_0", "legacy"), ("Q5_1", "legacy"), ("Q8_0", "legacy"), ("BF16", "16 bits"),
        ("W4A16-g128", "awq"),
    ],
)  # fmt: skip
def test_quants_belong_to_their_family(quant, family):
    form = "awq" if family == "awq" else "gguf"
    assert quant_family(variant(quant, 1, [1.0, 0.0], format=form)) == family


@pytest.mark.parametrize("tolerance", [-0.1, 1.0, float("nan")])
def test_a_tolerance_that_is_no_share_is_refused(tolerance):
    with pytest.raises(InputError, match="is not a share"):
        duels(draw_posterior([]), tolerance)


def test_where_no_uncertainty_is_known_nothing_is_called_a_winner():
    figure = {"math": Interval(0.9)}
    bare = variant("AWQ", 1000, [1.0, 0.0], items={}, classes=figure, capability=figure["math"])
    variants = [variant("Q4_0", 1000, [1.0] * 10 + [0.0] * 90), bare]
    (duel,) = duels(draw_posterior(variants))
    assert duel.difference.value == pytest.approx(0.8)
    assert (duel.difference.low, duel.verdict) == (None, "tie")
    assert bang(draw_posterior(variants))[0].per_gib.low is None
