"""The fast frontier against its definition, ties one by one, and subsets of a posterior."""

from __future__ import annotations

import pickle
import time

import numpy as np
from analysis_cases import variant
from hypothesis import given
from hypothesis import strategies as st

from grid.analysis import draw_posterior, frontier, subset
from grid.analysis.pareto import membership, ties, undominated
from grid.analysis.posterior import class_draws
from grid.results.statistics import Interval

HALF = [1.0] * 50 + [0.0] * 50


def by_definition(a, b):
    """No other is at least as good on both and better on one: all pairs, one after the other."""
    draws = max(len(a), len(b))
    a, b = (np.broadcast_to(part, (draws, part.shape[1])) for part in (a, b))
    no_worse = (a[:, None, :] >= a[:, :, None]) & (b[:, None, :] >= b[:, :, None])
    return ~(no_worse & ~no_worse.transpose(0, 2, 1)).any(axis=2)


@st.composite
def axes(draw):
    """Two axes with many equal values, each exact or drawn, with NaN here and there."""
    size = draw(st.integers(0, 8))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    levels = draw(st.sampled_from((2, 4, 1000)))
    columns = []
    for draws in draw(st.sampled_from(((1, 1), (1, 7), (7, 1), (7, 7)))):
        values = rng.integers(-levels, levels, (draws, size)).astype(float)
        columns.append(np.where(rng.random(size) < 0.1, np.nan, values))
    return columns


@given(axes())
def test_the_frontier_is_that_of_the_definition(points):
    a, b = points
    assert (undominated(a, b) == by_definition(a, b)).all()
    assert np.allclose(membership(a, b), by_definition(a, b).mean(axis=0))


@given(st.integers(0, 1000), st.sampled_from((3, 100)))
def test_ties_are_where_neither_is_better_in_nearly_all_draws(seed, levels):
    draws = np.random.default_rng(seed).integers(0, levels, (80, 5)) + np.arange(5) * levels / 9
    better = np.array([[(draws[:, i] > draws[:, j]).mean() for j in range(5)] for i in range(5)])
    wanted = (better <= 0.975) & (better.T <= 0.975) & ~np.eye(5, dtype=bool)
    assert (ties(draws) == wanted).all()


def test_a_subset_has_the_draws_of_the_whole():
    group = [variant(f"q{i}", i, HALF[i:] + HALF[:i], [9.0, 10.0 + i]) for i in range(1, 5)]
    whole = draw_posterior(group)
    part = subset(whole, {group[2].id, group[0].id})
    assert part.variants == (group[0], group[2])
    assert (part.capability == whole.capability[:, [0, 2]]).all()
    assert (part.rates["decode_tps"] == whole.rates["decode_tps"][:, [0, 2]]).all()
    assert set(part.rates) == {"prefill_tps", "decode_tps"}
    assert subset(whole, ()).variants == ()


def test_a_posterior_and_a_frontier_can_be_pickled():
    posterior = draw_posterior([variant("a", 4, HALF, [9.0, 10.0]), variant("b", 5, HALF)])
    restored = pickle.loads(pickle.dumps(frontier(pickle.loads(pickle.dumps(posterior)))))
    assert [p.probability for p in restored.points] == [
        p.probability for p in frontier(posterior).points
    ]
    assert [v.quant for v in restored.points[0].ties["capability"]] == ["b"]


class TestEnergy:
    def test_less_energy_is_better(self):
        frugal = variant("frugal", 5, HALF, decode_j_per_token=Interval(1.0), energy_scope="gpu")
        wasteful = variant(
            "wasteful", 4, HALF, decode_j_per_token=Interval(2.0), energy_scope="gpu"
        )
        front = frontier([wasteful, frugal], x="decode_j_per_token")
        assert [(p.variant.quant, p.x, p.on_frontier) for p in front.points] == [
            ("frugal", 1.0, True),
            ("wasteful", 2.0, False),
        ]

    def test_figures_of_unlike_scopes_never_share_the_axis(self):
        scopes = {"a": "gpu", "b": "gpu", "c": "cpu"}
        group = [
            variant(name, 4, HALF, decode_j_per_token=Interval(1.0), energy_scope=scope)
            for name, scope in scopes.items()
        ]
        front = frontier([*group, variant("d", 4, HALF)], x="decode_j_per_token")
        assert {p.variant.quant for p in front.points} == {"a", "b"}
        assert {v.quant: why for v, why in front.left_out} == {
            "c": "its energy counts cpu, that of most gpu",
            "d": "no energy per token",
        }


class TestMeansWithoutItems:
    def mean(self, name, value, sd, **fields):
        interval = Interval(value, sd=sd)
        return variant(
            name,
            4,
            {},
            classes={"math": interval},
            weights={"math": 1.0},
            capability=interval,
            **fields,
        )

    def test_draws_are_normal_with_the_standard_error(self):
        drawn = class_draws([self.mean("q", 0.4, 0.05)], "math", 20_000, 1)[:, 0]
        assert abs(drawn.mean() - 0.4) < 0.002
        assert abs(drawn.std() - 0.05) < 0.002

    def test_draws_without_a_standard_error_are_constant_and_lack_uncertainty(self):
        exact, uncertain = self.mean("q", 0.4, None), self.mean("q", 0.4, 0.05)
        assert (class_draws([exact], "math", 9, 1) == 0.4).all()
        assert (exact.lacks_uncertainty, uncertain.lacks_uncertainty) == (True, False)
        assert not variant("items", 4, HALF).lacks_uncertainty

    def test_means_are_compared_with_variants_that_have_items(self):
        posterior = draw_posterior([self.mean("mean", 0.4, 0.01), variant("items", 4, HALF)])
        assert np.isfinite(posterior.capability).all()
        alone = draw_posterior([variant("items", 4, HALF)])
        assert (posterior.capability[:, 1] == alone.capability[:, 0]).all()

    def test_draws_of_means_do_not_depend_on_the_order_of_variants(self):
        low, high = self.mean("a", 0.4, 0.01), self.mean("b", 0.5, 0.02)
        plain, turned = draw_posterior([low, high]), draw_posterior([high, low])
        assert (plain.capability == turned.capability[:, ::-1]).all()


def test_500_variants_and_1500_items_take_less_than_3_cpu_seconds():
    rng = np.random.default_rng(0)
    group = [
        variant(
            f"q{i}",
            100 + i % 100,
            {name: rng.random(300) < 0.3 + i / 1000 for name in "abcde"},
            [9.0, 9.5, 10.0],
        )
        for i in range(500)
    ]
    start = time.process_time()
    posterior = draw_posterior(group)
    fronts = [frontier(posterior, axis) for axis in ("artifact_bytes", "decode_tps")]
    tied = [point.ties["capability"] for point in fronts[0].members]
    assert time.process_time() - start < 3
    assert any(tied)
