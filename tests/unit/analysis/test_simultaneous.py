"""What is said of many variants at once holds for all of them together."""

from __future__ import annotations

import numpy as np
from analysis_cases import variant

from grid.analysis import Limits, draw_posterior, picks
from grid.analysis.simultaneous import surely_above


def test_a_large_difference_is_sure() -> None:
    rng = np.random.default_rng(0)
    drawn = np.array([0.3, 0.5, 0.5]) + 0.01 * rng.standard_normal((1000, 3))
    above = surely_above(drawn)
    assert above[0].tolist() == [False, True, True]
    assert not above[1:].any()


def test_twins_are_never_apart_and_unknown_ones_say_nothing() -> None:
    column = np.random.default_rng(0).standard_normal((500, 1))
    drawn = np.hstack([column, column, np.full((500, 1), np.nan)])
    assert not surely_above(drawn).any()


def test_exact_figures_are_apart_by_any_difference() -> None:
    above = surely_above(np.tile([0.5, 0.6], (100, 1)))
    assert above.tolist() == [[False, True], [False, False]]


def test_in_at_most_5_percent_of_answers_an_equal_variant_is_called_less_capable() -> None:
    """Twelve equal variants of different models: uncorrected, over a third of the answers said so
    of at least one."""
    rng = np.random.default_rng(3)
    wrong = 0
    for _ in range(40):
        common = rng.random(300)
        group = []
        for i in range(12):
            own = np.where(rng.random(300) < 0.3, rng.random(300), common)
            about = {"model": f"m{i}", "artifact_id": f"m{i}"}
            group.append(variant(f"v{i}", 10 + i, (own < 0.6).astype(float), **about))
        pick = picks(draw_posterior(group, draws=300), [Limits()])[0]
        wrong += any(lost.kind == "less capable" for lost in pick.rejected)
    assert wrong <= 4  # 2 expected at most; 4 or fewer of 40 in 95 % of all seeds
