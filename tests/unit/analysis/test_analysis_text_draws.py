"""Draws of KLD and perplexity: paired over chunks, of the stated coverage, honest about few."""

from __future__ import annotations

import numpy as np
import pytest
from kld_cases import kld_ladder, scored, spread

from grid.analysis.text_draws import (
    CLOSEST,
    lacks_text_uncertainty,
    mean_deviations,
    text_draws,
)
from grid.results.statistics import Interval


def closeness(*variants, axis="kld_mean"):
    return text_draws(variants, axis, 2000, 1)


def share_above(first, second):
    drawn = closeness(first, second)
    return (drawn[:, 0] > drawn[:, 1]).mean()


def test_variants_are_paired_over_the_same_chunks():
    base, worse = scored("a", spread(0.10, 8)), scored("b", spread(0.105, 8, sd=0.02))
    drawn = closeness(base, worse)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    assert low[0] < high[1], "the two intervals overlap by far"
    assert share_above(base, worse) > 0.975


def test_variants_of_other_chunks_are_not_paired():
    base, worse = scored("a", spread(0.10, 8)), scored("b", spread(0.105, 8), text="else")
    assert 0.3 < share_above(base, worse) < 0.9


def test_a_missing_chunk_takes_the_pairing_and_not_the_figure():
    whole = scored("a", spread(0.10, 8))
    lacking = scored("b", [float("nan"), *spread(0.105, 7)], kld_mean=Interval(0.105))
    assert 0.3 < share_above(whole, lacking) < 0.9
    assert np.exp(-np.median(closeness(lacking))) == pytest.approx(0.105, rel=0.05)


@pytest.mark.parametrize("chunks", [3, 5, 8, 16])
def test_intervals_of_few_chunks_cover_what_they_say(chunks: int):
    rng = np.random.default_rng(3)
    covered = []
    for _ in range(400):
        values = np.exp(0.4 * rng.standard_normal(chunks))
        deviations = mean_deviations(values, True, 400, rng)
        low, high = np.quantile(np.log(values.mean()) + deviations, [0.025, 0.975])
        covered.append(low <= 0.4**2 / 2 <= high)
    assert 0.91 <= np.mean(covered) <= 0.985


@pytest.mark.parametrize("chunks", [3, 5, 8, 16])
@pytest.mark.parametrize("hardness", [0.4, 1.5])
def test_variants_of_one_quality_are_seldom_surely_apart(chunks: int, hardness: float):
    rng = np.random.default_rng(4)
    apart = []
    for seed in range(300):
        hard = np.exp(hardness * rng.standard_normal(chunks))
        drawn = [
            np.log(values.mean()) + mean_deviations(values, True, 400, np.random.default_rng(seed))
            for values in (hard * np.exp(0.2 * rng.standard_normal((2, chunks))))
        ]
        share = (drawn[0] > drawn[1]).mean()
        apart.append(share > 0.975 or share < 0.025)
    assert np.mean(apart) <= 0.09, "5 % and what 300 tries vary by"


def test_one_chunk_has_a_figure_of_which_nothing_says_how_sure_it_is():
    single = scored("a", [0.1])
    assert lacks_text_uncertainty(single, "kld_mean")
    assert np.ptp(closeness(single)) == 0
    assert not lacks_text_uncertainty(scored("a", [0.1, 0.2]), "kld_mean")


def test_sixteen_bits_and_what_is_not_above_the_noise_floor_are_equal():
    floor = {"noise_floor_nat": 0.005}
    whole, near, far = (
        scored("F16", [0.0] * 8, **floor),
        scored("Q8_0", spread(0.004, 8), **floor),
        scored("Q4_K_M", spread(0.055, 8), **floor),
    )
    drawn = closeness(whole, near, far)
    assert (drawn[:, :2] == CLOSEST).all()
    assert np.isfinite(drawn).all()
    assert (drawn[:, 2] < drawn[:, 1]).all()


def test_a_divergence_that_may_be_under_the_floor_is_so_in_some_draws():
    near = scored("Q8_0", spread(0.0052, 8), noise_floor_nat=0.005)
    share = (closeness(near) == CLOSEST).mean()
    assert 0.05 < share < 0.6


def test_an_imported_divergence_is_as_unsure_as_its_standard_error():
    published = scored("Q4", None, scored_text=None, kld_mean=Interval(0.05, sd=0.005))
    drawn = closeness(published)
    assert drawn.std() == pytest.approx(0.1, rel=0.05)
    assert not lacks_text_uncertainty(published, "kld_mean")
    bare = scored("Q4", None, scored_text=None, kld_mean=Interval(0.05))
    assert lacks_text_uncertainty(bare, "kld_mean")


def test_draws_do_not_depend_on_the_variants_beside():
    ladder = kld_ladder()
    whole = closeness(*ladder)
    for i, variant in enumerate(ladder):
        assert (closeness(variant)[:, 0] == whole[:, i]).all()


def test_perplexities_are_paired_too():
    hard = np.resize([2.0, 4.0, 3.0, 3.5, 2.5], 10)
    base = scored("a", None, nll=hard.tolist())
    worse = scored("b", None, nll=(hard + 0.02 + 0.005 * np.cos(range(10))).tolist())
    drawn = closeness(base, worse, axis="perplexity")
    assert (drawn[:, 0] > drawn[:, 1]).mean() > 0.975
    assert np.median(drawn[:, 0]) == pytest.approx(-hard.mean(), abs=0.1)
