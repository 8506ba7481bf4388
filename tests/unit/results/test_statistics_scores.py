"""Score means and paired tests."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from grid.results.statistics import (
    holm_correction,
    mcnemar_test,
    paired_chunk_test,
    paired_item_test,
    score_mean,
    sign_flip_test,
    wilson_interval,
)

bits = st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 1.0])), min_size=1)


def test_score_mean_has_the_stderr_of_lm_eval():
    mean = score_mean([1, 0, 1, 1])
    assert mean.value == 0.75
    assert mean.sd == pytest.approx(math.sqrt(0.75 * 0.25 / 3))


def test_wilson_matches_the_published_formula():
    interval = wilson_interval(7, 10)
    assert (interval.low, interval.high) == pytest.approx((0.39677815, 0.89220869), abs=1e-6)


@pytest.mark.parametrize(("right", "n"), [(0, 1), (1, 3), (37, 60), (299, 300), (300, 300)])
def test_wilson_is_that_of_scipy(right, n):
    interval, library = (
        wilson_interval(right, n),
        binomtest(right, n).proportion_ci(method="wilson"),
    )
    assert (interval.low, interval.high) == pytest.approx((library.low, library.high), abs=1e-12)


def test_wilson_of_none_or_all_right_is_no_point():
    assert wilson_interval(0, 10).low == 0.0
    assert wilson_interval(0, 10).high == pytest.approx(0.27753279, abs=1e-6)
    assert wilson_interval(10, 10).low == pytest.approx(1 - 0.27753279, abs=1e-6)


@pytest.mark.parametrize(("right", "n"), [(1, 0), (3, 2), (-1, 2)])
def test_wilson_of_an_impossible_share_is_refused(right, n):
    with pytest.raises(ValueError, match="not a share"):
        wilson_interval(right, n)


def test_scores_between_0_and_1_do_not_get_wilson():
    assert "Wilson" not in score_mean([0.5, 0.25, 1.0]).method


def test_mcnemar_is_a_fair_coin_over_the_items_that_differ():
    first = [1] * 9 + [0] * 1 + [1] * 50
    second = [0] * 9 + [1] * 1 + [1] * 50
    test = mcnemar_test(first, second)
    assert test.p_value == pytest.approx(2 * 11 / 1024)
    assert test.difference == pytest.approx(8 / 60)
    assert test.low < test.difference < test.high


def test_equal_answers_give_a_p_value_of_1():
    test = mcnemar_test([1, 0, 1], [1, 0, 1])
    assert (test.difference, test.p_value) == (0.0, 1.0)


def test_scores_of_different_lengths_do_not_pair():
    with pytest.raises(ValueError, match="not of the same items"):
        mcnemar_test([1, 0], [1, 0, 1])
    with pytest.raises(ValueError, match="0 and 1"):
        mcnemar_test([0.5], [1.0])


def test_sign_flips_of_four_chunks_are_all_tried():
    first = np.array([[1.0], [2.0], [3.0], [4.0]])
    test = paired_chunk_test(first, first - 1.0)
    assert test.difference == 1.0
    assert test.p_value == 2 / 16


def test_sign_flips_of_many_chunks_are_drawn_and_include_the_observed_one():
    rng = np.random.default_rng(0)
    first = rng.normal(size=(40, 8))
    test = paired_chunk_test(first + 5, first)
    assert test.low == pytest.approx(5)
    assert test.method.startswith("sign flips, Hoeffding's bound")
    differences = (first + 5).mean(axis=1) - first.mean(axis=1)
    observed, squares = differences.sum(), (differences**2).sum()
    assert test.p_value == pytest.approx(2 * np.exp(-(observed**2) / (2 * squares)))


def test_drawn_sign_flips_include_the_observed_one():
    rng = np.random.default_rng(3)
    p_value, name = sign_flip_test(rng.normal(0.3, 1, 60))
    assert name == "10000 sign flips"
    assert (p_value * 10_000) % 1 == pytest.approx(0)
    assert 1 / 10_000 <= p_value < 0.05


@given(st.lists(st.integers(-9, 9).filter(bool), min_size=1, max_size=12))
def test_hoeffdings_bound_is_never_below_the_share_of_all_patterns(differences):
    values = np.array(differences, dtype=float)
    bound = 2 * math.exp(-(values.sum() ** 2) / (2 * (values**2).sum()))
    signs = 2 * ((np.arange(2**values.size)[:, None] >> np.arange(values.size)) & 1) - 1
    share = (np.abs(signs @ values) >= abs(values.sum()) - 1e-9).mean()
    assert bound >= share - 1e-12


def test_a_clear_difference_stays_clear_among_a_thousand_tests():
    rng = np.random.default_rng(4)
    p_value, _ = sign_flip_test(rng.normal(1, 1, 200))
    assert 0 < holm_correction([p_value, *[0.5] * 999])[0] < 1e-6


def test_sign_flips_of_many_items_take_little_memory():
    differences = np.random.default_rng(5).normal(0.001, 1, 14_000)
    tracemalloc.start()
    sign_flip_test(differences)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6


def test_sign_flip_p_values_are_uniform_without_a_difference():
    rng = np.random.default_rng(1)
    p = [paired_item_test(*rng.normal(size=(2, 10))).p_value for _ in range(400)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.025)
    assert np.mean(np.array(p) < 0.5) == pytest.approx(0.5, abs=0.06)


@given(bits)
def test_swapping_the_runs_mirrors_the_test(pairs):
    first, second = np.array(pairs).T
    forward, back = mcnemar_test(first, second), mcnemar_test(second, first)
    assert forward.p_value == back.p_value
    assert forward.difference == -back.difference
    assert 0 < forward.p_value <= 1
