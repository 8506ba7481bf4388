"""Bounds by which a sweep stops: how often they miss the truth when looked at again and again."""

from __future__ import annotations

import numpy as np
import pytest

from grid.results.statistics.sequential import (
    betting_bounds,
    by_group,
    chance_above,
    look_alpha,
    student_bounds,
)

ALPHA = 0.05
EVERY_ITEM = (200,)
"""`betting_bounds` of 200 items are the narrowest of all looks, one after each item."""

ITEM_LOOKS = (10, 20, 40, 80, 120, 200)
CHUNK_LOOKS = (8, 24, 64)


def _items(rng, better=0.0, differing=0.1, n=200):
    """Paired differences of 0/1 scores: `differing` of the items answered unlike by two variants,
    the first right in 1/2 + better/2 of those."""
    sign = np.where(rng.random(n) < (1 + better) / 2, 1.0, -1.0)
    return sign * (rng.random(n) < differing)


def _share_wrong(values_of, bounds_of, looks, truth, trials, seed=1):
    rng = np.random.default_rng(seed)
    wrong = 0
    for _ in range(trials):
        values = values_of(rng)
        wrong += any(bounds_of(values[:n]).excludes(truth) for n in looks)
    return wrong / trials


@pytest.mark.parametrize("differing", [0.02, 0.1, 0.5, 1.0])
def test_betting_bounds_hold_at_every_look_of_equal_variants(differing):
    share = _share_wrong(
        lambda rng: _items(rng, differing=differing),
        lambda x: betting_bounds(x, 1.0, ALPHA),
        EVERY_ITEM,
        truth=0.0,
        trials=400,
    )
    assert share <= ALPHA + 2 * (ALPHA * (1 - ALPHA) / 400) ** 0.5


@pytest.mark.parametrize("better", [0.3, 0.8, 1.0])
def test_betting_bounds_hold_the_difference_of_unequal_variants(better):
    share = _share_wrong(
        lambda rng: _items(rng, better=better, differing=0.3),
        lambda x: betting_bounds(x, 1.0, ALPHA),
        EVERY_ITEM,
        truth=0.3 * better,
        trials=300,
    )
    assert share <= ALPHA + 2 * (ALPHA * (1 - ALPHA) / 300) ** 0.5


def test_ordinary_interval_of_items_looked_at_again_and_again_misses_the_truth():
    """Why the bounds are needed: Student's interval at 95 % at every look."""
    share = _share_wrong(
        lambda rng: _items(rng, differing=0.5),
        lambda x: student_bounds(x, ALPHA),
        ITEM_LOOKS,
        truth=0.0,
        trials=400,
    )
    assert share > 2 * ALPHA


def test_betting_bounds_tell_a_clear_difference_apart():
    rng = np.random.default_rng(3)
    apart = [betting_bounds(_items(rng, 0.9, 0.3), 1.0, ALPHA).low > 0 for _ in range(100)]
    assert np.mean(apart) > 0.95


def test_items_of_a_passage_count_as_one():
    """Passages of 8 items that all stand or fall together; counted as items they would be 8 times
    as sure as they are."""

    def passages(rng):
        return np.repeat(_items(rng, differing=0.6, n=25), 8)

    codes = np.repeat(np.arange(25), 8)
    looks = (80, 200)
    by_passage = _share_wrong(
        passages,
        lambda x: betting_bounds(by_group(x, codes[: len(x)]), 1.0, ALPHA),
        looks,
        truth=0.0,
        trials=300,
    )
    by_item = _share_wrong(passages, lambda x: betting_bounds(x, 1.0, ALPHA), looks, 0.0, 300)
    assert by_passage <= ALPHA + 2 * (ALPHA * (1 - ALPHA) / 300) ** 0.5
    assert by_item > 2 * ALPHA


def test_groups_come_in_the_order_of_their_first_item():
    values = np.array([1.0, 0.0, 1.0, -1.0])
    assert by_group(values, np.array([2, 0, 2, 1])).tolist() == [1.0, 0.0, -0.5]


@pytest.mark.parametrize("spread", [0.1, 0.8])
@pytest.mark.parametrize("shared", [0.0, 0.7])
def test_student_bounds_with_spent_error_hold_for_chunks(spread, shared):
    """Divergences of two equally close variants by chunk: log-normal, with common hard chunks."""

    def chunks(rng):
        common = shared * rng.standard_normal(64)
        own = rng.standard_normal((2, 64)) * (1 - shared**2) ** 0.5
        first, second = 0.05 * np.exp(spread * (common + own))
        return first - second

    alpha = look_alpha(ALPHA, len(CHUNK_LOOKS))
    share = _share_wrong(chunks, lambda x: student_bounds(x, alpha), CHUNK_LOOKS, 0.0, 1000)
    assert share <= ALPHA + 2 * (ALPHA * (1 - ALPHA) / 1000) ** 0.5


def test_student_bounds_hold_at_the_small_error_of_many_pairs():
    """100 pairs: 5 % for all together, of 8 chunks."""

    def chunks(rng):
        return rng.standard_normal(64) * np.exp(0.5 * rng.standard_normal(64))

    alpha = look_alpha(ALPHA / 100, len(CHUNK_LOOKS))
    share = _share_wrong(chunks, lambda x: student_bounds(x, alpha), CHUNK_LOOKS, 0.0, 4000)
    assert share <= ALPHA / 100 + 3 * (ALPHA / 100 / 4000) ** 0.5


def test_a_single_chunk_bounds_nothing():
    bounds = student_bounds([0.1], ALPHA)
    assert (bounds.low, bounds.high) == (-np.inf, np.inf)


def test_chance_above_is_the_share_of_samples_whose_mean_is():
    rng = np.random.default_rng(5)
    stated, came_true = [], []
    for _ in range(3000):
        values = rng.uniform(-2, 2) + rng.standard_normal(64)  # the flat prior
        stated.append(chance_above(values[:8], 64, 0.5))
        came_true.append(values.mean() > 0.5)
    stated, came_true = np.array(stated), np.array(came_true)
    for low, high in ((0.0, 0.05), (0.05, 0.3), (0.3, 0.7), (0.7, 0.95), (0.95, 1.01)):
        band = (stated >= low) & (stated < high)
        assert abs(stated[band].mean() - came_true[band].mean()) < 0.06


def test_values_beyond_their_limit_are_refused():
    with pytest.raises(ValueError, match="beyond 1"):
        betting_bounds([0.5, 1.5], 1.0, ALPHA)
