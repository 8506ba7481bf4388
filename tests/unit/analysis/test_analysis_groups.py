"""Draws, duels, flips and retained shares of variants whose items come in groups."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from itertools import product

import numpy as np
import pytest
from analysis_cases import Rows, variant
from grouped_answers import Design, simulate

from grid.analysis import ClassItems, Variant, draw_posterior, variants
from grid.analysis.duels import duels
from grid.analysis.flips import flips
from grid.analysis.posterior import composite_draws
from grid.analysis.retained import retained_quality
from grid.results import statistics

DRAWS = 600
GROUPS, CORRELATIONS, SIZES = (8, 20, 57), (0.0, 0.1, 0.3, 0.5), (6.0, 15.0)
TRIES = 75


def answered(
    name: str, size: int, gains: np.ndarray, groups: tuple[str, ...], **fields: object
) -> Variant:
    """A variant with these gains and groups, of chance 1 in 4."""
    ids = tuple(f"i{i:05}" for i in range(len(gains)))
    items = {"math": ClassItems(ids, gains, groups)}
    scores = gains * 0.75 + 0.25
    figure = statistics.capability(
        scores, np.full(len(gains), 0.25), statistics.group_codes(groups)
    )
    return variant(
        name, size, gains, items=items, classes={"math": figure}, capability=figure, **fields
    )


def simulated_pair(
    rng: np.random.Generator, design: Design, abilities: tuple[float, float], alike: float = 0.95
) -> list[Variant]:
    answers = simulate(rng, design, abilities, alike=alike)
    names = ("Q4_K_M", "IQ4_NL")
    return [
        answered(name, 1000 + i, answers.gains[i], answers.names) for i, name in enumerate(names)
    ]


@cache
def held() -> dict[tuple[str, object], list[bool]]:
    """Whether the central 95 % of the draws held the ability of a variant, and the difference."""
    rng = np.random.default_rng(880_132)
    hits: defaultdict[tuple[str, object], list[bool]] = defaultdict(list)
    designs = [Design(*parts) for parts in product(GROUPS, CORRELATIONS, SIZES)]
    for design, ability in product(designs, (0.3, 0.6)):
        for number in range(TRIES):
            pair = simulated_pair(rng, design, (ability, ability - 0.04))
            drawn = composite_draws(pair, DRAWS, seed=number)
            for what, draws, truth in (
                ("capability", drawn[:, 0], ability),
                ("difference", drawn[:, 0] - drawn[:, 1], 0.04),
            ):
                low, high = np.quantile(draws, [0.025, 0.975])
                for split in ("all", design.groups, design.correlation):
                    hits[what, split].append(bool(low <= truth <= high))
    return dict(hits)


@pytest.mark.parametrize("what", ["capability", "difference"])
def test_draws_of_grouped_items_cover_94_to_96_percent(what: str) -> None:
    assert 0.94 <= np.mean(held()[what, "all"]) <= 0.96


@pytest.mark.parametrize("what", ["capability", "difference"])
@pytest.mark.parametrize("split", [20, 57, 0.1, 0.3, 0.5])
def test_they_cover_93_to_97_percent_in_each_part(what: str, split: float) -> None:
    assert 0.93 <= np.mean(held()[what, split]) <= 0.97


def test_with_eight_groups_they_are_never_too_narrow() -> None:
    """Of 48 items with a handful that differ the prior's two items make a difference wider."""
    assert 0.93 <= np.mean(held()["capability", 8]) <= 0.975
    assert np.mean(held()["difference", 8]) >= 0.94


@cache
def equal_pairs() -> tuple[list[float], list[float], int]:
    """p of pairs of equal ability by the test of the duel, and over items; and how many were called
    different."""
    rng = np.random.default_rng(880_133)
    over_groups, over_items, called = [], [], 0
    for _ in range(150):
        pair = simulated_pair(rng, Design(25, 0.4), (0.5, 0.5), alike=0.6)
        (duel,) = duels(draw_posterior(pair, draws=DRAWS))
        gains = [v.items["math"].gains for v in pair]
        over_groups.append(float(duel.p_value or 1.0))
        over_items.append(statistics.sign_flip_test(gains[0] - gains[1])[0])
        called += duel.verdict != "tie"
        assert duel.test.endswith("of 25 groups")
    return over_groups, over_items, called


def test_equal_variants_are_called_different_in_about_5_percent_of_duels() -> None:
    """Of 150 pairs within 2 standard errors of 5 %; a test over items calls four times as many."""
    over_groups, over_items, called = equal_pairs()
    assert called / len(over_groups) <= 0.086
    assert np.mean(np.array(over_groups) <= 0.05) <= 0.086
    assert np.mean(np.array(over_items) <= 0.05) > 0.15


def test_equal_answers_in_groups_have_equal_draws() -> None:
    rng = np.random.default_rng(1)
    answers = simulate(rng, Design(9, 0.5), (0.6,))
    twins = [answered(name, 1000, answers.gains[0], answers.names) for name in ("a", "b")]
    drawn = composite_draws([twins[0], answered("a", 1000, answers.gains[0], answers.names)])
    assert (drawn[:, 0] == drawn[:, 1]).all()
    assert np.isfinite(composite_draws(twins)).all()


def test_draws_of_grouped_items_stay_possible() -> None:
    groups = tuple(f"g{i % 3}" for i in range(30))
    for share in (0, 1, 15, 29, 30):
        gains = np.where(np.arange(30) < share, 1.0, -1 / 3)
        drawn = composite_draws([answered("q", 1000, gains, groups)])
        assert drawn.min() >= -1 / 3
        assert drawn.max() <= 1.0


def test_items_without_groups_draw_as_before() -> None:
    gains = np.array([1.0] * 60 + [-1 / 3] * 40)
    plain, alone = answered("q", 1000, gains, ()), answered("q", 1000, gains, ("",) * 100)
    whole = answered("q", 1000, gains, ("algebra",) * 100)
    drawn = [composite_draws([v]) for v in (plain, alone, whole)]
    assert (drawn[0] == drawn[1]).all()
    assert (drawn[0] == drawn[2]).all()


def test_groups_of_rows_reach_variants_of_older_rows_of_the_same_items() -> None:
    rows = Rows()
    rows.tasks("math", [1.0, 0.0] * 6, quant="F16")
    rows.tasks("math", [1.0, 0.0] * 6, quant="Q4_K_M")
    for row in rows.rows["items"][12:]:
        row["group"] = f"passage {int(str(row['item'])[1:]) // 4}"
    older, newer = sorted(variants(rows.tables()), key=lambda v: v.quant)
    assert older.items["math"].groups == ()
    assert newer.items["math"].groups[:5] == ("s/passage 0",) * 4 + ("s/passage 1",)
    assert newer.classes["math"].method.endswith("over 3 groups")
    drawn = composite_draws([older, newer])
    alone = composite_draws([older])
    assert drawn[:, 0].std() != alone[:, 0].std()


def test_flips_and_retained_shares_are_over_groups() -> None:
    rng = np.random.default_rng(2)
    answers = simulate(rng, Design(20, 0.4), (0.7, 0.6), own=0.3)
    for names in (answers.names, ()):
        whole = answered("F16", 2000, answers.gains[0], names, sixteen_bit=True)
        quantized = answered("Q4_K_M", 1000, answers.gains[1], names)
        (flip,) = flips([whole, quantized])
        share = retained_quality(quantized, [whole, quantized], "math").share
        assert flip.turned is not None
        assert share is not None
        assert ("20 groups" in flip.turned.method) == bool(names)
        assert share.method.endswith("groups" if names else "items")
        assert share.low < share.value < share.high
