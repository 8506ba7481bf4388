"""Laws of the choice: what must hold whatever was measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from analysis_cases import variant
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.analysis import Limits, Pick, Posterior, Variant, draw_posterior, picks
from grid.analysis.limits import ExtraDraws
from grid.results.statistics import Interval

ITEMS = 60


@st.composite
def families(draw: st.DrawFn) -> list[Variant]:
    """Up to seven variants with random answers to the same items, sizes and steady rates."""
    count = draw(st.integers(2, 7))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    hard = rng.random(ITEMS)
    variants = []
    for i in range(count):
        skill = rng.uniform(0.2, 1)
        gains = (hard + rng.normal(0, 0.2, ITEMS) < skill).astype(float)
        gains[:2] = 0, 1
        rate = float(rng.uniform(5, 100))
        variants.append(variant(f"v{i}", int(rng.integers(1, 20)), gains, [rate, rate * 1.01]))
    return variants


def random_extra_draws(variants: list[Variant], seed: int) -> ExtraDraws:
    """Random waits, and memory of twice the size."""
    rng = np.random.default_rng(seed)
    return {
        "max_ttft_s": rng.uniform(0.1, 2, (200, len(variants))),
        "max_memory_bytes": np.array([[2.0 * v.artifact_bytes for v in variants]]),
    }


limits = st.builds(
    Limits,
    max_bytes=st.none() | st.integers(2, 20),
    min_decode_tps=st.none() | st.floats(5, 90),
    max_memory_bytes=st.none() | st.integers(4, 40),
    max_ttft_s=st.none() | st.floats(1.5, 2.5),
)


def loosen(demands: Limits, by: float) -> Limits:
    def scaled(value: float | None, factor: float) -> float | None:
        return None if value is None else value * factor

    return replace(
        demands,
        max_bytes=scaled(demands.max_bytes, by),
        min_decode_tps=scaled(demands.min_decode_tps, 1 / by),
        max_memory_bytes=scaled(demands.max_memory_bytes, by),
        max_ttft_s=scaled(demands.max_ttft_s, by),
    )


def pick_of(posterior: Posterior, demands: Limits, extra_draws: ExtraDraws) -> Pick:
    return picks(posterior, [demands], extra_draws=extra_draws)[0]


@settings(max_examples=60, deadline=None)
@given(families(), limits, st.floats(1, 4), st.integers(0, 99))
def test_loosening_a_limit_never_gives_a_surely_less_capable_pick(
    variants: list[Variant], demands: Limits, by: float, seed: int
) -> None:
    posterior, extra_draws = draw_posterior(variants, draws=200), random_extra_draws(variants, seed)
    before, after = (
        pick_of(posterior, wanted, extra_draws) for wanted in (demands, loosen(demands, by))
    )
    if before.variant is None or before.best is None:
        return
    assert after.variant is not None
    assert after.best is not None
    assert after.best.capability is not None
    assert before.best.capability is not None
    assert after.best.capability.value >= before.best.capability.value
    place = posterior.index
    old, new = (posterior.capability[:, place[pick.variant.id]] for pick in (before, after))  # type: ignore[union-attr]
    assert (old > new).mean() <= 0.975


@settings(max_examples=60, deadline=None)
@given(families(), limits, st.integers(0, 99))
def test_a_variant_that_the_limits_reject_changes_nothing_by_being_there(
    variants: list[Variant], demands: Limits, seed: int
) -> None:
    extra_draws = random_extra_draws(variants, seed)
    whole = pick_of(draw_posterior(variants, draws=200), demands, extra_draws)
    lost = {
        rejection.variant.id
        for rejection in whole.rejected
        if rejection.kind in ("limit", "unmeasured")
    }
    indices = [i for i, v in enumerate(variants) if v.id not in lost]
    survivors = [variants[i] for i in indices]
    part = {name: draws[:, indices] for name, draws in extra_draws.items()}
    without = pick_of(draw_posterior(survivors, draws=200), demands, part)
    assert without.variant == whole.variant
    assert {rejection.variant.id for rejection in without.rejected} == {
        rejection.variant.id for rejection in whole.rejected
    } - lost


@settings(max_examples=60, deadline=None)
@given(families(), limits, st.randoms(use_true_random=False), st.integers(0, 99))
def test_the_order_of_the_variants_changes_nothing(
    variants: list[Variant], demands: Limits, random: object, seed: int
) -> None:
    extra_draws = random_extra_draws(variants, seed)
    order = list(range(len(variants)))
    random.shuffle(order)  # type: ignore[attr-defined]
    turned = [variants[i] for i in order]
    part = {name: draws[:, order] for name, draws in extra_draws.items()}
    pick = pick_of(draw_posterior(variants, draws=200), demands, extra_draws)
    shuffled_pick = pick_of(draw_posterior(turned, draws=200), demands, part)
    assert pick.variant == shuffled_pick.variant
    assert {(x.variant.id, x.reason) for x in pick.rejected} == {
        (x.variant.id, x.reason) for x in shuffled_pick.rejected
    }


@settings(max_examples=60, deadline=None)
@given(families(), limits, st.integers(0, 99))
def test_the_pick_is_surely_beaten_by_none_that_fit_and_the_smallest_such(
    variants: list[Variant], demands: Limits, seed: int
) -> None:
    posterior, extra_draws = draw_posterior(variants, draws=200), random_extra_draws(variants, seed)
    pick = pick_of(posterior, demands, extra_draws)
    if pick.variant is None:
        return
    for lost in pick.rejected:
        if lost.kind == "tied":
            assert lost.variant.artifact_bytes >= pick.variant.artifact_bytes
        if lost.kind in ("tied", "less capable"):
            theirs = posterior.capability[:, posterior.index[lost.variant.id]]
            mine = posterior.capability[:, posterior.index[pick.variant.id]]
            assert (theirs > mine).mean() <= 0.975


@settings(max_examples=40, deadline=None)
@given(families(), limits, st.integers(0, 99))
def test_relaxing_one_limit_as_suggested_gives_a_pick(
    variants: list[Variant], demands: Limits, seed: int
) -> None:
    posterior, extra_draws = draw_posterior(variants, draws=200), random_extra_draws(variants, seed)
    relaxations = pick_of(posterior, demands, extra_draws).relax
    for step in (
        relaxations if len({relaxation.variant.id for relaxation in relaxations}) > 1 else ()
    ):
        eased = replace(demands, **{step.limit: step.to})
        assert pick_of(posterior, eased, extra_draws).variant is not None


def test_a_surely_better_rival_counts_even_where_the_best_proves_nothing() -> None:
    """`noisy` is best by far fewer items; `sure` beats `small` on the very items both answered."""
    wide = [1.0] * 75 + [0.0] * 25
    small = variant("small", 1, wide)
    sure = variant("sure", 2, [1.0] * 85 + [0.0] * 15)
    rng = np.random.default_rng(5)
    draws = 1000
    posterior = Posterior(
        (small, sure, variant("noisy", 3, [1.0] * 86 + [0.0] * 14)),
        np.column_stack(
            [np.full(draws, 0.75), np.full(draws, 0.855), 0.86 + 0.1 * rng.standard_normal(draws)]
        ),
        {"decode_tps": np.full((draws, 3), np.nan), "prefill_tps": np.full((draws, 3), np.nan)},
    )
    pick = picks(posterior, [Limits()])[0]
    assert pick.best is not None
    assert pick.best.quant == "noisy"
    assert pick.variant is not None
    assert pick.variant.quant == "sure"


def without_error(name: str, size: int, value: float, **fields: object) -> Variant:
    """A variant of whose capability no error is known."""
    had = Interval(value)
    return variant(
        name, size, {}, classes={"math": had}, weights={"math": 1.0}, capability=had, **fields
    )


def test_variant_of_unknown_uncertainty_is_never_surely_beaten() -> None:
    own = variant("own", 2, [1.0] * 90 + [0.0] * 10)
    theirs = without_error("theirs", 1, 0.3)
    pick = picks([own, theirs], [Limits()])[0]
    assert pick.variant == own
    (lost,) = pick.rejected
    assert (lost.kind, lost.reason) == (
        "tied", "capability 0.600 below base own, but how sure is not known"
    )  # fmt: skip
    better = picks([own, without_error("theirs", 1, 1.0)], [Limits()])[0]
    assert [rejection.kind for rejection in better.rejected] == ["tied"]


def test_of_a_tie_in_size_a_predicted_rate_decides_where_none_was_measured() -> None:
    gains = [1.0] * 50 + [0.0] * 50
    slow, fast = (variant(name, 1, gains) for name in ("slow", "fast"))
    for order in ((slow, fast), (fast, slow)):
        measured = draw_posterior(list(order), draws=200)
        rates = {**measured.rates, "decode_tps": np.full((200, 2), 1.0)}
        rates["decode_tps"][:, order.index(fast)] = 2.0
        assert picks(replace(measured, rates=rates), [Limits()])[0].variant == fast


def test_limit_on_a_quantity_without_draws_raises() -> None:
    single = variant("one", 1, [1.0, 0.0], capability=Interval(0.5))
    with pytest.raises(ValueError, match="max_ttft_s"):
        picks([single], [Limits(max_ttft_s=1.0)])
