"""Intervals of items in groups, by simulation: do 95 % intervals hold the truth?

The seeds are not those that the method was chosen by. Designs: 8 to 200 groups of 6 items on
average (geometric), correlated by 0 to 0.5.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from itertools import product

import numpy as np
import pytest
from grouped_answers import CHANCE, Design, simulate

from grid.results import statistics
from grid.results.statistics import group_codes
from grid.results.statistics.groups import bounded_mean, grouped_mean

GROUPS, CORRELATIONS, ABILITIES = (8, 20, 57, 200), (0.0, 0.1, 0.3, 0.5), (0.2, 0.45, 0.7)
TRIES = 600


@cache
def held() -> dict[tuple[str, object], list[bool]]:
    """Whether each interval of `capability` held the ability: by groups, by correlation, over all;
    and those over items."""
    rng = np.random.default_rng(880_131)
    hits: defaultdict[tuple[str, object], list[bool]] = defaultdict(list)
    for groups, correlation, ability in product(GROUPS, CORRELATIONS, ABILITIES):
        for _ in range(TRIES):
            answers = simulate(rng, Design(groups, correlation), (ability,))
            scores = answers.scores[0]
            chances = np.full(len(scores), CHANCE)
            interval = statistics.capability(scores, chances, answers.codes)
            naive = statistics.capability(scores, chances)
            hit = interval.low <= ability <= interval.high
            hits["groups", groups].append(hit)
            hits["correlation", correlation].append(hit)
            hits["all", ""].append(hit)
            hits["over items", correlation].append(naive.low <= ability <= naive.high)
    return dict(hits)


def test_capability_of_grouped_items_covers_94_to_96_percent() -> None:
    assert 0.94 <= np.mean(held()["all", ""]) <= 0.96


@pytest.mark.parametrize("groups", GROUPS)
def test_it_covers_with_few_groups_as_with_many(groups: int) -> None:
    assert 0.94 <= np.mean(held()["groups", groups]) <= 0.96


@pytest.mark.parametrize("correlation", CORRELATIONS)
def test_it_covers_however_alike_the_items_of_a_group_are(correlation: float) -> None:
    assert 0.935 <= np.mean(held()["correlation", correlation]) <= 0.965


def test_an_interval_over_items_covers_too_little_where_they_are_alike() -> None:
    assert np.mean(held()["over items", 0.1]) < 0.90
    assert np.mean(held()["over items", 0.5]) < 0.70


def test_groups_of_one_item_and_one_group_of_all_say_nothing() -> None:
    assert group_codes(["", "", ""]) is None
    assert group_codes(["a", "b", "c"]) is None
    assert group_codes(["a", "a", "a"]) is None
    assert group_codes([]) is None


def test_an_item_without_a_group_is_one_by_itself() -> None:
    codes = group_codes(["a", "", "a", "", "b"])
    assert codes is not None
    assert len(set(codes.tolist())) == 4
    assert codes[0] == codes[2]


def test_the_error_of_equal_groups_is_that_of_their_means() -> None:
    values = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
    mean = grouped_mean(values, np.repeat(np.arange(4), 2))
    means = np.array([1.0, 0.5, 0.0, 0.5])
    assert mean.value == 0.5
    assert mean.error == pytest.approx(means.std(ddof=1) / 2)
    assert (mean.groups, mean.effective) == (4, 4.0)


def test_all_right_is_no_more_certain_than_its_groups() -> None:
    codes = np.repeat(np.arange(10), 50)
    interval = bounded_mean(np.ones(500), codes)
    assert interval.high == 1.0
    assert 0.5 < interval.low < 0.8
    assert statistics.score_mean(np.ones(500)).low > 0.99


def test_scores_and_gains_name_the_groups_in_their_method() -> None:
    scores = np.tile([1.0, 1.0, 0.0, 1.0], 6)
    codes = np.repeat(np.arange(8), 3)
    assert statistics.score_mean(scores, codes).method.endswith("Wilson over 8 groups")
    mixed = statistics.capability(scores, np.tile([0.25, 0.5], 12), codes)
    assert mixed.method.endswith("Wilson over 8 groups")
    assert mixed.low < mixed.value < mixed.high <= 1.0
