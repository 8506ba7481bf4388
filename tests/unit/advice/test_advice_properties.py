"""Laws of the choice: what must hold whatever was measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from analysis_cases import variant
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.analysis import Limits, Pick, Posterior, Variant, picks, posterior
from grid.analysis.limits import Known
from grid.results.statistics import Interval

ITEMS = 60


@st.composite
def families(draw: st.DrawFn) -> list[Variant]:
    """Up to seven variants with random answers to the same items, sizes and steady rates."""
    count = draw(st.integers(2, 7))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    hard = rng.random(ITEMS)
    found = []
    for i in range(count):
        skill = rng.uniform(0.2, 1)
        gains = (hard + rng.normal(0, 0.2, ITEMS) < skill).astype(float)
        gains[:2] = 0, 1
        rate = float(rng.uniform(5, 100))
        found.append(variant(f"v{i}", int(rng.integers(1, 20)), gains, [rate, rate * 1.01]))
    return found


def known_of(found: list[Variant], seed: int) -> Known:
    """Random waits, and memory of twice the size."""
    rng = np.random.default_rng(seed)
    return {
        "max_ttft_s": rng.uniform(0.1, 2, (200, len(found))),
        "max_memory_bytes": np.array([[2.0 * one.artifact_bytes for one in found]]),
    }


limits = st.builds(
    Limits,
    max_bytes=st.none() | st.integers(2, 20),
    min_decode_tps=st.none() | st.floats(5, 90),
    max_memory_bytes=st.none() | st.integers(4, 40),
    max_ttft_s=st.none() | st.floats(1.5, 2.5),
)


def looser(asked: Limits, by: float) -> Limits:
    def scaled(value: float | None, factor: float) -> float | None:
        return None if value is None else value * factor

    return replace(
        asked,
        max_bytes=scaled(asked.max_bytes, by),
        min_decode_tps=scaled(asked.min_decode_tps, 1 / by),
        max_memory_bytes=scaled(asked.max_memory_bytes, by),
        max_ttft_s=scaled(asked.max_ttft_s, by),
    )


def pick_of(belief: Posterior, asked: Limits, known: Known) -> Pick:
    return picks(belief, [asked], known=known)[0]


@settings(max_examples=60, deadline=None)
@given(families(), limits, st.floats(1, 4), st.integers(0, 99))
def test_loosening_a_limit_never_gives_a_surely_less_capable_pick(
    found: list[Variant], asked: Limits, by: float, seed: int
) -> None:
    belief, known = posterior(found, draws=200), known_of(found, seed)
    before, after = (pick_of(belief, one, known) for one in (asked, looser(asked, by)))
    if before.variant is None or before.best is None:
        return
    assert after.variant is not None
    assert after.best is not None
    assert after.best.capability is not None
    assert before.best.capability is not None
    assert after.best.capability.value >= before.best.capability.value
    place = belief.place
    old, new = (belief.capability[:, place[one.variant.id]] for one in (before, after))  # type: ignore[union-attr]
    assert (old > new).mean() <= 0.975


@settings(max_examples=60, deadline=None)
@given(families(), limits, st.integers(0, 99))
def test_a_variant_that_the_limits_reject_changes_nothing_by_being_there(
    found: list[Variant], asked: Limits, seed: int
) -> None:
    known = known_of(found, seed)
    whole = pick_of(posterior(found, draws=200), asked, known)
    lost = {one.variant.id for one in whole.rejected if one.kind in ("limit", "unmeasured")}
    kept = [i for i, one in enumerate(found) if one.id not in lost]
    rest = [found[i] for i in kept]
    part = {name: draws[:, kept] for name, draws in known.items()}
    without = pick_of(posterior(rest, draws=200), asked, part)
    assert without.variant == whole.variant
    assert {one.variant.id for one in without.rejected} == {
        one.variant.id for one in whole.rejected
    } - lost


@settings(max_examples=60, deadline=None)
@given(families(), limits, st.randoms(use_true_random=False), st.integers(0, 99))
def test_the_order_of_the_variants_changes_nothing(
    found: list[Variant], asked: Limits, random: object, seed: int
) -> None:
    known = known_of(found, seed)
    order = list(range(len(found)))
    random.shuffle(order)  # type: ignore[attr-defined]
    turned = [found[i] for i in order]
    part = {name: draws[:, order] for name, draws in known.items()}
    one = pick_of(posterior(found, draws=200), asked, known)
    other = pick_of(posterior(turned, draws=200), asked, part)
    assert one.variant == other.variant
    assert {(x.variant.id, x.reason) for x in one.rejected} == {
        (x.variant.id, x.reason) for x in other.rejected
    }


@settings(max_examples=60, deadline=None)
@given(families(), limits, st.integers(0, 99))
def test_the_pick_is_surely_beaten_by_none_that_fit_and_the_smallest_such(
    found: list[Variant], asked: Limits, seed: int
) -> None:
    belief, known = posterior(found, draws=200), known_of(found, seed)
    pick = pick_of(belief, asked, known)
    if pick.variant is None:
        return
    for lost in pick.rejected:
        if lost.kind == "tied":
            assert lost.variant.artifact_bytes >= pick.variant.artifact_bytes
        if lost.kind in ("tied", "less capable"):
            theirs = belief.capability[:, belief.place[lost.variant.id]]
            mine = belief.capability[:, belief.place[pick.variant.id]]
            assert (theirs > mine).mean() <= 0.975


@settings(max_examples=40, deadline=None)
@given(families(), limits, st.integers(0, 99))
def test_relaxing_one_limit_as_told_gives_a_pick(
    found: list[Variant], asked: Limits, seed: int
) -> None:
    belief, known = posterior(found, draws=200), known_of(found, seed)
    told = pick_of(belief, asked, known).relax
    for step in told if len({one.variant.id for one in told}) > 1 else ():
        eased = replace(asked, **{step.limit: step.to})
        assert pick_of(belief, eased, known).variant is not None


def test_a_surely_better_rival_counts_even_where_the_best_proves_nothing() -> None:
    """`noisy` is best by far fewer items; `sure` beats `small` on the very items both answered."""
    wide = [1.0] * 75 + [0.0] * 25
    small = variant("small", 1, wide)
    sure = variant("sure", 2, [1.0] * 85 + [0.0] * 15)
    rng = np.random.default_rng(5)
    draws = 1000
    belief = Posterior(
        (small, sure, variant("noisy", 3, [1.0] * 86 + [0.0] * 14)),
        np.column_stack(
            [np.full(draws, 0.75), np.full(draws, 0.85), 0.86 + 0.1 * rng.standard_normal(draws)]
        ),
        {"decode_tps": np.full((draws, 3), np.nan), "prefill_tps": np.full((draws, 3), np.nan)},
    )
    pick = picks(belief, [Limits()])[0]
    assert pick.best is not None
    assert pick.best.quant == "noisy"
    assert pick.variant is not None
    assert pick.variant.quant == "sure"


def told(name: str, size: int, value: float, **fields: object) -> Variant:
    """A variant of whose capability no error is known."""
    had = Interval(value)
    return variant(
        name, size, {}, classes={"math": had}, weights={"math": 1.0}, capability=had, **fields
    )


def test_nobody_surely_beats_what_it_is_not_known_how_sure_it_is() -> None:
    own = variant("own", 2, [1.0] * 90 + [0.0] * 10)
    theirs = told("theirs", 1, 0.3)
    pick = picks([own, theirs], [Limits()])[0]
    assert pick.variant == own
    (lost,) = pick.rejected
    assert (lost.kind, lost.reason) == (
        "tied", "capability 0.600 below base own, but how sure is not known"
    )  # fmt: skip
    better = picks([own, told("theirs", 1, 1.0)], [Limits()])[0]
    assert [one.kind for one in better.rejected] == ["tied"]


def test_of_a_tie_in_size_a_predicted_rate_decides_where_none_was_measured() -> None:
    gains = [1.0] * 50 + [0.0] * 50
    slow, fast = (variant(name, 1, gains) for name in ("slow", "fast"))
    for order in ((slow, fast), (fast, slow)):
        measured = posterior(list(order), draws=200)
        rates = {**measured.rates, "decode_tps": np.full((200, 2), 1.0)}
        rates["decode_tps"][:, order.index(fast)] = 2.0
        assert picks(replace(measured, rates=rates), [Limits()])[0].variant == fast


def test_a_quantity_without_draws_is_no_silent_zero() -> None:
    one = variant("one", 1, [1.0, 0.0], capability=Interval(0.5))
    with pytest.raises(ValueError, match="max_ttft_s"):
        picks([one], [Limits(max_ttft_s=1.0)])
