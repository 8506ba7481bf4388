"""Capability, its composite, and what a quant retains."""

import math

import numpy as np
import pytest

from grid.results.statistics import (
    Interval,
    capability,
    composite,
    is_above_chance,
    retained_share,
    score_mean,
)


def test_gain_of_guessing_is_0_and_of_a_right_answer_1():
    assert capability([1, 0, 0, 0], [0.25] * 4).value == pytest.approx(0, abs=1e-12)
    assert capability([1, 1], [0.25, 0.5]).value == 1.0


def test_gain_below_chance_is_negative():
    assert capability([0, 0], [0.5, 0.5]).value == -1.0


def test_the_interval_of_one_chance_is_wilson_carried_over():
    scores = [1] * 30 + [0] * 10
    interval, share = capability(scores, [0.25] * 40), score_mean(scores)
    assert interval.low == pytest.approx((share.low - 0.25) / 0.75)
    assert interval.sd == pytest.approx(share.sd / 0.75)


def test_items_of_several_chances_are_weighed_one_by_one():
    interval = capability([1, 0], [0.5, 0.2])
    assert interval.value == pytest.approx((1.0 - 0.25) / 2)
    assert "Student" in interval.method


def test_an_item_that_guessing_always_gets_is_refused():
    with pytest.raises(ValueError, match="measures nothing"):
        capability([1], [1.0])


def test_the_composite_is_the_weighted_mean_with_recovered_variances():
    classes = {
        "math": Interval(0.2, 0.1, 0.4, sd=0.1, n=10),
        "recall": Interval(0.8, 0.7, 0.9, sd=0.05, n=10),
    }
    interval = composite(classes, {"math": 3, "recall": 1})
    assert interval.value == pytest.approx(0.35)
    assert interval.low == pytest.approx(0.35 - math.hypot(0.75 * 0.1, 0.25 * 0.1))
    assert interval.high == pytest.approx(0.35 + math.hypot(0.75 * 0.2, 0.25 * 0.1))
    assert interval.sd == pytest.approx(math.hypot(0.75 * 0.1, 0.25 * 0.05))


def test_a_missing_class_leaves_no_composite():
    with pytest.raises(ValueError, match="math"):
        composite({"recall": Interval(0.5)}, {"math": 1, "recall": 1})


def test_retained_is_the_share_of_the_16_bit_gain():
    whole, half = np.array([1.0] * 80 + [0.0] * 20), np.array([1.0] * 40 + [0.0] * 60)
    interval = retained_share(half, whole)
    assert interval.value == 0.5
    assert 0.35 < interval.low < 0.5 < interval.high < 0.65


def test_retained_is_null_where_the_16_bit_score_is_near_chance():
    near = np.array([1.0] * 3 + [-1 / 3] * 8)
    assert not is_above_chance(near)
    assert retained_share(near, near) is None


def test_the_same_answers_as_at_16_bits_are_no_proof_of_the_same_ability():
    whole = np.array([1.0] * 50 + [-1 / 3] * 20)
    interval = retained_share(whole, whole)
    assert interval.value == 1.0
    assert 0.85 < interval.low < 1.0 < interval.high < 1.15


def test_retained_of_many_items_has_the_interval_of_the_ratio_of_paired_means():
    rng = np.random.default_rng(0)
    whole = (rng.random(4000) < 0.8).astype(float)
    mine = np.where(rng.random(4000) < 0.1, 0.0, whole)
    interval = retained_share(mine, whole)
    ratio = mine.mean() / whole.mean()
    half = 1.96 * (mine - ratio * whole).std() / 4000**0.5 / whole.mean()
    assert interval.value == pytest.approx(ratio)
    assert (interval.low, interval.high) == pytest.approx((ratio - half, ratio + half), abs=0.002)
