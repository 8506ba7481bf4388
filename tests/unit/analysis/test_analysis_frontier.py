"""The frontier, its probabilities and ties."""

import time
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from analysis_cases import variant
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.analysis import METHOD, draw_posterior, frontier
from grid.analysis.pareto import membership, ties, undominated
from grid.analysis.posterior import class_draws
from grid.analysis.posterior_rates import median_rate_draws
from grid.errors import InputError

HALF = [1.0] * 50 + [0.0] * 50


def labels(points):
    return [point.variant.quant for point in points]


def test_nothing_beats_the_smallest_and_the_most_capable():
    front = frontier(
        [
            variant("big", 16, [1.0] * 90 + [0.0] * 10),
            variant("middle", 8, [1.0] * 70 + [0.0] * 30),
            variant("worse", 9, [1.0] * 60 + [0.0] * 40),
            variant("small", 4, [1.0] * 30 + [0.0] * 70),
        ]
    )
    assert labels(front.points) == ["small", "middle", "worse", "big"]
    assert labels(front.members) == ["small", "middle", "big"]


def test_points_carry_the_measured_values():
    (point,) = frontier([variant("one", 4, HALF, [10.0, 30.0])], x="decode_tps").points
    assert (point.x, point.y, point.probability, point.on_frontier) == (20.0, 0.5, 1.0, True)


def test_the_same_answers_in_more_bytes_are_beaten_but_not_surely():
    front = frontier([variant("small", 4, HALF), variant("big", 5, HALF)], draws=20_000)
    assert [p.on_frontier for p in front.points] == [True, False]
    # The four prior items, fair coins here, are in the big one's favour as often as not, and
    # decide nothing in (1/2)^4 of the draws.
    assert front.points[0].probability == 1.0
    assert front.points[1].probability == pytest.approx((1 - 1 / 16) / 2, abs=0.015)
    assert front.points[1].ties["capability"] == (front.points[0].variant,)


def test_equal_size_and_equal_answers_are_both_on_the_frontier():
    front = frontier([variant("a", 4, HALF), variant("b", 4, HALF)])
    assert [p.on_frontier for p in front.points] == [True, True]


def test_options_that_change_no_answer_leave_one_artifact_as_good_as_itself():
    twins = [variant("q", 4, HALF, [9.0, 10.0], options=text) for text in ('{"t": 1}', '{"t": 2}')]
    drawn = draw_posterior(twins)
    assert (drawn.capability[:, 0] == drawn.capability[:, 1]).all()


def test_a_close_call_has_a_probability_between():
    # 10 items only the big one knows, 8 only the small one, and i and j of the 4 prior items by
    # chance: the weight on the first kind is Beta(10 + i, 8 + j).
    from scipy.special import betainc

    big, small = [1.0] * 10 + [0.0] * 8 + HALF, [0.0] * 10 + [1.0] * 8 + HALF
    front = frontier([variant("small", 4, small), variant("big", 5, big)], draws=20_000)
    for_big, for_small = 60 / 118 * 60 / 118, 58 / 118 * 58 / 118
    expected = 0.0
    for kinds in product(range(3), repeat=4):
        i, j = kinds.count(0), kinds.count(1)
        chance = for_big**i * for_small**j * (1 - for_big - for_small) ** (4 - i - j)
        expected += chance * float(1 - betainc(10 + i, 8 + j, 0.5))
    assert labels(front.points) == ["small", "big"]
    assert front.points[0].probability == 1.0
    assert front.points[1].probability == pytest.approx(expected, abs=0.015)


def test_ties_are_named_per_axis():
    big, small = [1.0] * 10 + [0.0] * 8 + HALF, [0.0] * 10 + [1.0] * 8 + HALF
    none = [0.0] * 118
    front = frontier([variant("a", 4, small), variant("b", 5, big), variant("c", 5, none)])
    tied = {
        p.variant.quant: {k: [v.quant for v in t] for k, t in p.ties.items()} for p in front.points
    }
    assert tied["a"] == {"capability": ["b"], "artifact_bytes": []}
    assert tied["b"] == {"capability": ["a"], "artifact_bytes": ["c"]}
    assert tied["c"] == {"capability": [], "artifact_bytes": ["b"]}


def test_the_comparison_is_paired_over_items():
    """8 of 400 items make a difference though single intervals overlap by far."""
    small = [1.0] * 200 + [0.0] * 200
    big = [1.0] * 208 + [0.0] * 192
    front = frontier([variant("small", 4, small), variant("big", 5, big)])
    assert all(point.probability > 0.99 for point in front.points)
    assert front.points[0].ties["capability"] == ()


def test_draws_of_a_rate_are_a_shifted_student_t():
    logs = np.log([90.0, 100.0, 110.0, 95.0])
    draws = median_rate_draws(logs, 40_000, np.random.default_rng(0))
    half = 3.182446305284263 * logs.std(ddof=1) / 2
    expected = [logs.mean() - half, logs.mean() + half]
    assert np.quantile(draws, [0.025, 0.975]) == pytest.approx(expected, abs=0.01)


def test_variants_that_lack_an_axis_are_left_out_with_the_reason():
    front = frontier(
        [
            variant("whole", 4, HALF, [10.0]),
            variant("slow", 4, HALF),
            variant("blank", 4, HALF, [9.0], capability=None, missing=("recall",)),
        ],
        x="decode_tps",
    )
    assert labels(front.points) == ["whole"]
    assert [(v.quant, why) for v, why in front.left_out] == [
        ("slow", "no decode rate"),
        ("blank", "no capability (no recall)"),
    ]


def test_no_variants_give_an_empty_frontier():
    assert frontier([]).points == ()


def test_an_unknown_axis_gets_the_nearest_name():
    with pytest.raises(InputError, match="Did you mean 'decode_tps'"):
        frontier([], x="decode_tp")


def test_hardware_classes_do_not_mix():
    elsewhere = variant("b", 5, HALF, hardware_class="other box")
    with pytest.raises(InputError, match="2 hardware classes"):
        frontier([variant("a", 4, HALF), elsewhere])


def test_the_documentation_holds_the_method_as_printed():
    text = (Path(__file__).parents[3] / "docs" / "frontier.md").read_text(encoding="utf-8")
    quoted = " ".join(line.removeprefix("> ") for line in text.splitlines())
    assert " ".join(METHOD.split()) in " ".join(quoted.split())
    assert frontier([]).method == METHOD


levels = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12)


@given(levels)
def test_members_do_not_dominate_each_other_and_each_other_point_is_beaten_by_one(points):
    a, b = np.array(points, dtype=float).T
    on = undominated(a[None], b[None])[0]

    def beats(i, j):
        return a[i] >= a[j] and b[i] >= b[j] and (a[i] > a[j] or b[i] > b[j])

    members = np.flatnonzero(on)
    assert not any(beats(i, j) for i in members for j in members)
    assert all(any(beats(i, j) for i in members) for j in np.flatnonzero(~on))


@given(st.integers(1, 6), st.integers(1, 30), st.integers(0, 1000))
def test_probabilities_are_shares_and_some_point_is_always_on(size, draws, seed):
    a, b = np.random.default_rng(seed).integers(0, 4, (2, draws, size)).astype(float)
    shares = membership(a, b)
    assert ((shares >= 0) & (shares <= 1)).all()
    assert shares.sum() >= 1


@given(st.integers(0, 1000))
def test_ties_are_mutual_and_never_with_itself(seed):
    tied = ties(np.random.default_rng(seed).normal(size=(100, 5)) + np.arange(5))
    assert (tied == tied.T).all()
    assert not tied.diagonal().any()


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(5)))
def test_the_frontier_does_not_depend_on_the_order_of_variants(order):
    rng = np.random.default_rng(0)
    group = [
        variant(f"q{i}", 4 + i, rng.random(60) < 0.4 + i / 10, rng.lognormal(3, 0.1, 5))
        for i in range(5)
    ]
    plain = frontier(group, x="decode_tps", draws=300)
    turned = frontier([group[i] for i in order], x="decode_tps", draws=300)
    assert labels(turned.points) == labels(plain.points)
    for point, expected in zip(turned.points, plain.points, strict=True):
        assert point.probability == pytest.approx(expected.probability)


def test_probabilities_of_membership_are_calibrated():
    """Simulated truth: 6 variants, abilities from a uniform prior, items of mixed difficulty whose
    answers are correlated across variants, rates close to each other. In each band of stated
    probability the share of true members is within a few points."""
    rng = np.random.default_rng(5)
    stated, truth = [], []
    for _ in range(150):
        ability = rng.uniform(0.3, 0.8, 6)
        speed = rng.normal(0, 0.05, 6)
        common, own = rng.random((150, 1)), rng.random((150, 6))
        score = np.where(rng.random((150, 6)) < 0.7, common, own) < ability
        rates = np.exp(3 + speed + 0.05 * rng.standard_normal((5, 6)))
        posterior = draw_posterior(
            [variant(f"q{i}", 1, score[:, i].astype(float), rates[:, i]) for i in range(6)],
            draws=300,
        )
        stated.append(membership(posterior.capability, posterior.rates["decode_tps"]))
        truth.append(undominated(ability[None], speed[None])[0])
    p, on = np.concatenate(stated), np.concatenate(truth)
    for low, high in ((0, 0.15), (0.15, 0.4), (0.4, 0.65), (0.65, 0.9), (0.9, 1.01)):
        band = (p >= low) & (p < high)
        assert band.sum() > 40
        assert on[band].mean() == pytest.approx(p[band].mean(), abs=0.08)
    assert on.mean() == pytest.approx(p.mean(), abs=0.03)


def test_probabilities_of_close_quants_are_calibrated():
    """Two quants that agree on nearly all of 300 items: the chance that an item is right in one
    only is exponential with mean 0.3 % each way. Without the prior's items a stated certainty
    (2 to 0, say) came true in 85 % only."""
    rng = np.random.default_rng(6)
    stated, truth = [], []
    for _ in range(400):
        only_big, only_small = rng.exponential(0.003, 2)
        u = rng.random(300)
        shared = u < 0.7
        big = np.where(u > 1 - only_big, True, shared)
        small = np.where((u > 1 - only_big - only_small) & (u <= 1 - only_big), True, shared)
        group = [variant("s", 4, small.astype(float)), variant("b", 5, big.astype(float))]
        drawn = class_draws(group, "math", 400, seed=1)
        stated.append(float((drawn[:, 1] > drawn[:, 0]).mean()))
        stated[-1] += float((drawn[:, 1] == drawn[:, 0]).mean()) / 2
        truth.append(only_big > only_small)
    p, on = np.array(stated), np.array(truth)
    for low, high in ((0, 0.15), (0.15, 0.4), (0.4, 0.6), (0.6, 0.85), (0.85, 1.01)):
        band = (p >= low) & (p < high)
        assert band.sum() > 30
        assert on[band].mean() == pytest.approx(p[band].mean(), abs=0.10)


def test_50_variants_and_1200_items_take_less_than_2_seconds():
    rng = np.random.default_rng(0)
    group = [
        variant(f"q{i}", 100 + i, rng.random(1200) < 0.3 + i / 100, [9.0, 9.5, 10.0])
        for i in range(50)
    ]
    start = time.process_time()
    frontier(group, draws=2000)
    assert time.process_time() - start < 2


def test_an_unknown_size_is_not_the_smallest():
    unknown, small = variant("unknown", 0, [1, 0, 1]), variant("small", 100, [1, 0, 0])
    front = frontier([unknown, small])
    assert labels(front.points) == labels(front.members)
    assert [(v.quant, why) for v, why in front.left_out] == [("unknown", "no size")]
