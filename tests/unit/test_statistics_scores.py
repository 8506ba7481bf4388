"""Score means and paired tests."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.statistics import mcnemar, paired_chunks, paired_items, score_mean, wilson

bits = st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 1.0])), min_size=1)


def test_the_stderr_is_that_of_lm_eval():
    found = score_mean([1, 0, 1, 1])
    assert found.value == 0.75
    assert found.sd == pytest.approx(math.sqrt(0.75 * 0.25 / 3))


def test_wilson_matches_the_published_formula():
    found = wilson(7, 10)
    assert (found.low, found.high) == pytest.approx((0.39677815, 0.89220869), abs=1e-6)


def test_none_and_all_right_keep_an_interval():
    assert wilson(0, 10).low == 0.0
    assert wilson(0, 10).high == pytest.approx(0.27753279, abs=1e-6)
    assert wilson(10, 10).low == pytest.approx(1 - 0.27753279, abs=1e-6)


@pytest.mark.parametrize(("right", "n"), [(1, 0), (3, 2), (-1, 2)])
def test_impossible_shares_are_refused(right, n):
    with pytest.raises(ValueError, match="not a share"):
        wilson(right, n)


def test_scores_between_0_and_1_do_not_get_wilson():
    assert "Wilson" not in score_mean([0.5, 0.25, 1.0]).method


def test_mcnemar_is_a_fair_coin_over_the_items_that_differ():
    first = [1] * 9 + [0] * 1 + [1] * 50
    second = [0] * 9 + [1] * 1 + [1] * 50
    found = mcnemar(first, second)
    assert found.p_value == pytest.approx(2 * 11 / 1024)
    assert found.difference == pytest.approx(8 / 60)
    assert found.low < found.difference < found.high


def test_the_same_answers_give_no_evidence():
    found = mcnemar([1, 0, 1], [1, 0, 1])
    assert (found.difference, found.p_value) == (0.0, 1.0)


def test_runs_of_other_items_do_not_pair():
    with pytest.raises(ValueError, match="not of the same items"):
        mcnemar([1, 0], [1, 0, 1])
    with pytest.raises(ValueError, match="0 and 1"):
        mcnemar([0.5], [1.0])


def test_sign_flips_of_four_chunks_are_all_tried():
    first = np.array([[1.0], [2.0], [3.0], [4.0]])
    found = paired_chunks(first, first - 1.0)
    assert found.difference == 1.0
    assert found.p_value == 2 / 16


def test_with_many_chunks_flips_are_drawn_and_the_one_seen_is_counted():
    rng = np.random.default_rng(0)
    first = rng.normal(size=(40, 8))
    found = paired_chunks(first + 5, first)
    assert found.p_value == 1 / 10_000
    assert found.low == pytest.approx(5)


def test_p_values_are_uniform_where_there_is_no_difference():
    rng = np.random.default_rng(1)
    p = [paired_items(*rng.normal(size=(2, 10))).p_value for _ in range(400)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.025)
    assert np.mean(np.array(p) < 0.5) == pytest.approx(0.5, abs=0.06)


@given(bits)
def test_swapping_the_runs_mirrors_the_test(pairs):
    first, second = np.array(pairs).T
    there, back = mcnemar(first, second), mcnemar(second, first)
    assert there.p_value == back.p_value
    assert there.difference == -back.difference
    assert 0 < there.p_value <= 1
