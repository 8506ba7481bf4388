"""Seconds and joules per right answer: by hand, against simulation, and their reasons when null."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from analysis_cases import variant

from grid.analysis import AXES, ClassItems, Speed, Variant, draw_posterior, frontier, variants_table
from grid.analysis.answer_costs import COST_AXES
from grid.analysis.axes import figure_on, lack_on
from grid.analysis.variant import AnswerTokens
from grid.results.statistics import Interval, rate_interval

RIGHT = [1.0, 1.0, 0.0, 1.0]
PROMPTS, WRITTEN = [100, 300, 100, 100], [10, 10, 60, 20]


def answering(
    name: str = "q",
    scores: Sequence[float] = RIGHT,
    prompts: Sequence[float] = PROMPTS,
    written: Sequence[float] = WRITTEN,
    groups: tuple[str, ...] = (),
    **fields: object,
) -> Variant:
    """Prefill 1000 token/s, decode 50 token/s; answers of which the tokens are known."""
    plain = variant(name, 5, {"math": scores})
    counts = AnswerTokens(*(np.array(part, dtype=float) for part in (scores, prompts, written)))
    ids = plain.items["math"].ids
    facts: dict[str, object] = {
        "items": {"math": ClassItems(ids, plain.items["math"].gains, groups, counts)},
        "prefill": {0: Speed(Interval(1000.0), np.array([1000.0]), 100, 0)},
        "decode": {0: Speed(Interval(50.0), np.array([50.0]), 100, 0)},
    }
    return replace(plain, **{**facts, **fields})  # type: ignore[arg-type]


def cost(of: Variant, axis: str) -> Interval:
    figure = figure_on(of, AXES[axis])
    assert figure is not None
    return figure


def test_seconds_are_those_of_all_answers_by_the_right_ones() -> None:
    # 600 prompt tokens at 1000 / s and 100 written ones at 50 / s, three right answers
    assert cost(answering(), "s_per_right_answer").value == pytest.approx((0.6 + 2.0) / 3)


def test_joules_are_those_of_both_phases_gross_and_net() -> None:
    counted = answering(
        prefill_j_per_token=Interval(0.01),
        decode_j_per_token=Interval(0.5),
        prefill_net_j_per_token=Interval(0.005),
        decode_net_j_per_token=Interval(0.2),
        energy_scope="gpu",
    )
    assert cost(counted, "j_per_right_answer").value == pytest.approx((6 + 50) / 3)
    assert cost(counted, "net_j_per_right_answer").value == pytest.approx((3 + 20) / 3)
    assert cost(counted, "decode_net_j_per_token").value == 0.2


def test_choices_need_no_decode_rate() -> None:
    choosing = answering(written=[0] * 4, decode={})
    assert cost(choosing, "s_per_right_answer").value == pytest.approx(0.6 / 3)


def test_classes_and_tasks_weigh_as_in_capability() -> None:
    short = answering()
    ids = ("a@s/1", "a@s/2", "b@s/1")
    math = AnswerTokens(np.array([1.0, 0.0, 1.0]), np.full(3, 1000.0), np.zeros(3))
    items = {
        "code": short.items["math"],
        "math": ClassItems(ids, math.scores, (), math),
    }
    two_classes = replace(short, items=items, weights={"code": 0.25, "math": 0.75})
    seconds = 0.25 * 2.6 / 4 + 0.75 * 1.0
    right = 0.25 * 3 / 4 + 0.75 * (0.5 + 1.0) / 2
    assert cost(two_classes, "s_per_right_answer").value == pytest.approx(seconds / right)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"scores": [0.0] * 4}, "no answer is right"),
        ({"decode": {}}, "no decode rate"),
        ({"prefill": {}}, "no prefill rate"),
        ({"missing": ("code",)}, "no code"),
        ({"items": {}}, "the rows of math do not count the tokens of prompts"),
        ({"weights": {}}, "no tasks"),
    ],
)
def test_what_is_not_known_is_null_with_the_reason(fields: dict[str, object], why: str) -> None:
    of = answering(**fields)  # type: ignore[arg-type]
    assert figure_on(of, AXES["s_per_right_answer"]) is None
    assert lack_on(of, AXES["s_per_right_answer"]) == f"no seconds per right answer ({why})"
    assert np.isnan(draw_posterior([of]).costs["s_per_right_answer"]).all()


def test_energy_that_no_counter_gave_has_the_words_of_the_row() -> None:
    of = answering(energy_lack="no counter: no RAPL under /sys/class/powercap")
    for axis in ("decode_j_per_token", "j_per_right_answer", "net_j_per_right_answer"):
        assert "no RAPL under /sys/class/powercap" in lack_on(of, AXES[axis])


def simulated(seed: int, items: int, group: int = 1) -> Variant:
    """Wrong answers are longer; items of a group are right together. Rates vary by 3 %."""
    rng = np.random.default_rng(seed)
    easy = rng.random(items // group).repeat(group)
    scores = (easy < 0.6).astype(float)
    written = np.where(scores == 1, 20, 60) * rng.lognormal(0, 0.3, items)
    rates = {
        name: {0: Speed(rate_interval(of), of, 100, 0)}
        for name, of in (
            ("prefill", 1000 * rng.lognormal(0, 0.03, 5)),
            ("decode", 50 * rng.lognormal(0, 0.03, 5)),
        )
    }
    groups = tuple(f"g{i // group}" for i in range(items)) if group > 1 else ()
    return answering(f"s{seed}", scores, [200.0] * items, written, groups, **rates)


TRUTH = (200 / 1000 + (0.6 * 20 + 0.4 * 60) * np.exp(0.045) / 50) / 0.6


@pytest.mark.parametrize("group", [1, 4])
def test_intervals_hold_the_true_cost_in_95_of_100_worlds(group: int) -> None:
    figures = [cost(simulated(seed, 80, group), "s_per_right_answer") for seed in range(400)]
    held = np.mean([(f.low or 0) <= TRUTH <= (f.high or 0) for f in figures])
    assert 0.92 <= held <= 0.98


@pytest.mark.parametrize("group", [1, 4])
def test_joint_draws_are_as_wide_as_the_interval(group: int) -> None:
    of = simulated(3, 120, group)
    figure = cost(of, "s_per_right_answer")
    drawn = -draw_posterior([of]).costs["s_per_right_answer"][:, 0]
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert figure.low is not None
    assert figure.high is not None
    assert np.log(high / low) == pytest.approx(np.log(figure.high / figure.low), rel=0.15)
    assert np.median(drawn) == pytest.approx(figure.value, rel=0.03)


def test_the_same_answers_at_a_surely_higher_rate_cost_surely_less() -> None:
    slow = simulated(1, 40)
    rates = slow.decode[0].rates * 1.5
    fast = replace(slow, artifact_id="fast", decode={0: Speed(rate_interval(rates), rates, 100, 0)})
    drawn = draw_posterior([slow, fast]).costs["s_per_right_answer"]
    assert (drawn[:, 1] > drawn[:, 0]).mean() > 0.97
    front = frontier([slow, fast], x="s_per_right_answer")
    assert [point.variant.artifact_id for point in front.members] == ["fast"]


def test_energies_are_drawn_as_wide_as_their_interval() -> None:
    counted = answering(decode_j_per_token=Interval(2.0, 1.8, 2.2, 0.1, 5), energy_scope="gpu")
    drawn = -draw_posterior([counted]).costs["decode_j_per_token"][:, 0]
    assert np.quantile(drawn, [0.025, 0.975]) == pytest.approx([1.8, 2.2], abs=0.03)


def test_the_exported_table_has_every_cost_with_its_interval() -> None:
    table = variants_table([simulated(1, 40)])
    for axis in COST_AXES:
        assert {axis, f"{axis}_low", f"{axis}_high"} <= set(table.column_names)
    (row,) = table.to_pylist()
    assert (
        row["s_per_right_answer_low"] < row["s_per_right_answer"] < row["s_per_right_answer_high"]
    )
    assert row["decode_j_per_token"] is None
