"""Capability, its composite, and what a quant retains."""

import math

import numpy as np
import pytest

from grid.results.statistics import (
    Interval,
    above_chance,
    capability,
    composite,
    retained,
    score_mean,
)


def test_guessing_is_0_and_knowing_is_1():
    assert capability([1, 0, 0, 0], [0.25] * 4).value == pytest.approx(0, abs=1e-12)
    assert capability([1, 1], [0.25, 0.5]).value == 1.0


def test_worse_than_guessing_is_negative():
    assert capability([0, 0], [0.5, 0.5]).value == -1.0


def test_the_interval_of_one_chance_is_wilson_carried_over():
    scores = [1] * 30 + [0] * 10
    found, share = capability(scores, [0.25] * 40), score_mean(scores)
    assert found.low == pytest.approx((share.low - 0.25) / 0.75)
    assert found.sd == pytest.approx(share.sd / 0.75)


def test_items_of_several_chances_are_weighed_one_by_one():
    found = capability([1, 0], [0.5, 0.2])
    assert found.value == pytest.approx((1.0 - 0.25) / 2)
    assert "Student" in found.method


def test_an_item_that_guessing_always_gets_is_refused():
    with pytest.raises(ValueError, match="measures nothing"):
        capability([1], [1.0])


def test_the_composite_is_the_weighted_mean_with_recovered_variances():
    classes = {
        "math": Interval(0.2, 0.1, 0.4, sd=0.1, n=10),
        "recall": Interval(0.8, 0.7, 0.9, sd=0.05, n=10),
    }
    found = composite(classes, {"math": 3, "recall": 1})
    assert found.value == pytest.approx(0.35)
    assert found.low == pytest.approx(0.35 - math.hypot(0.75 * 0.1, 0.25 * 0.1))
    assert found.high == pytest.approx(0.35 + math.hypot(0.75 * 0.2, 0.25 * 0.1))
    assert found.sd == pytest.approx(math.hypot(0.75 * 0.1, 0.25 * 0.05))


def test_a_missing_class_leaves_no_composite():
    with pytest.raises(ValueError, match="math"):
        composite({"recall": Interval(0.5)}, {"math": 1, "recall": 1})


def test_retained_is_the_share_of_the_16_bit_gain():
    whole, half = np.array([1.0] * 80 + [0.0] * 20), np.array([1.0] * 40 + [0.0] * 60)
    found = retained(half, whole)
    assert found.value == 0.5
    assert 0.35 < found.low < 0.5 < found.high < 0.65


def test_retained_is_null_where_the_16_bit_score_is_near_chance():
    near = np.array([1.0] * 3 + [-1 / 3] * 8)
    assert not above_chance(near)
    assert retained(near, near) is None


def test_the_same_answers_as_at_16_bits_are_no_proof_of_the_same_ability():
    whole = np.array([1.0] * 50 + [-1 / 3] * 20)
    found = retained(whole, whole)
    assert found.value == 1.0
    assert 0.85 < found.low < 1.0 < found.high < 1.15


def test_retained_of_many_items_has_the_interval_of_the_ratio_of_paired_means():
    rng = np.random.default_rng(0)
    whole = (rng.random(4000) < 0.8).astype(float)
    mine = np.where(rng.random(4000) < 0.1, 0.0, whole)
    found = retained(mine, whole)
    ratio = mine.mean() / whole.mean()
    half = 1.96 * (mine - ratio * whole).std() / 4000**0.5 / whole.mean()
    assert found.value == pytest.approx(ratio)
    assert (found.low, found.high) == pytest.approx((ratio - half, ratio + half), abs=0.002)
