"""Which variants a race calls beaten, and of which it wants more."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from grid.results.racing import Answers, Contender, decide
from grid.results.racing.order import ERROR, Amount, Relation, compare_quality
from grid.results.statistics.sequential import look_alpha

CHUNKS, LOOKS = 64, 3


def variant(
    name: str,
    size: int = 100,
    kld: np.ndarray | None = None,
    rate: float = 100.0,
    gains: np.ndarray | None = None,
    model: str = "m",
    quality: str = "",
) -> Contender:
    rates = rate * np.array([0.995, 1.0, 1.005])
    return Contender(
        id=name,
        label=name,
        model=model,
        quality=quality or name,
        weight_bytes=size,
        peak_bytes=2.0 * size,
        rates={"tg128": rates, "pp512": 10 * rates},
        texts={} if kld is None else {"text": kld},
        tasks={} if gains is None else {"math": Answers(gains)},
    )


def chunks(rng: np.random.Generator, mean: float, count: int = 8) -> np.ndarray:
    """Chunks of which some are harder than others, for all variants of a test alike."""
    hard = np.exp(0.3 * np.sin(np.arange(CHUNKS)))
    return (mean * hard * np.exp(0.1 * rng.standard_normal(CHUNKS)))[:count]


def test_smaller_variant_that_is_as_good_and_as_fast_beats_the_larger():
    rng = np.random.default_rng(1)
    larger, smaller = variant("Q5_0", 120, chunks(rng, 0.05)), variant("Q5_K", 100)
    smaller = replace(smaller, texts={"text": chunks(rng, 0.02)})
    decision = decide([larger, smaller], {"text": CHUNKS}, LOOKS)
    assert decision.beaten == {"Q5_0": "Q5_K"}


def test_slower_options_of_the_same_quality_are_beaten():
    fast, slow = variant("a", quality="q", rate=100), variant("b", quality="q", rate=60)
    assert decide([fast, slow], {}, LOOKS).beaten == {"b": "a"}


def test_trade_between_size_and_quality_beats_none_and_is_decided():
    rng = np.random.default_rng(2)
    ladder = [
        variant("Q8", 200, chunks(rng, 0.004), rate=50),
        variant("Q4", 100, chunks(rng, 0.05), rate=100),
        variant("Q2", 60, chunks(rng, 0.4), rate=150),
    ]
    decision = decide(ladder, {"text": CHUNKS}, LOOKS)
    assert (decision.beaten, decision.texts) == ({}, frozenset())


def test_close_pair_that_may_differ_by_what_matters_gets_more_chunks():
    rng = np.random.default_rng(3)
    noisy = 0.1 * np.exp(rng.standard_normal((2, 8)))
    pair = [variant("a", 120, noisy[0]), variant("b", 100, noisy[1], rate=90)]
    assert decide(pair, {"text": CHUNKS}, LOOKS).texts == {"a", "b"}
    assert decide(pair, {"text": 8}, LOOKS).texts == frozenset()  # there are no more


def test_pair_that_differs_by_less_than_chooses_gets_no_more_chunks():
    rng = np.random.default_rng(4)
    pair = [variant("a", 120, chunks(rng, 0.003)), variant("b", 100, chunks(rng, 0.004), rate=80)]
    assert decide(pair, {"text": CHUNKS}, LOOKS).texts == frozenset()


def test_variant_that_is_slower_at_something_is_not_beaten_by_a_smaller_one():
    rng = np.random.default_rng(5)
    larger, smaller = variant("a", 120, chunks(rng, 0.05)), variant("b", 100, chunks(rng, 0.02))
    slower = {"tg128": smaller.rates["tg128"], "pp512": 0.5 * smaller.rates["pp512"]}
    smaller = replace(smaller, rates=slower)
    assert not decide([larger, smaller], {"text": CHUNKS}, LOOKS).beaten


def test_what_has_no_rate_in_common_beats_nothing():
    rng = np.random.default_rng(6)
    larger, smaller = variant("a", 120, chunks(rng, 0.05)), variant("b", 100, chunks(rng, 0.02))
    assert not decide([larger, replace(smaller, rates={})], {"text": CHUNKS}, LOOKS).beaten


def test_divergences_of_different_models_are_not_compared():
    rng = np.random.default_rng(7)
    pair = [variant("a", 120, chunks(rng, 0.5)), variant("b", 100, chunks(rng, 0.01), model="n")]
    decision = decide(pair, {"text": CHUNKS}, LOOKS)
    assert (decision.beaten, decision.texts, decision.tasks) == ({}, frozenset(), frozenset())


def test_models_are_told_apart_by_tasks():
    right, wrong = np.ones(40), np.zeros(40)
    pair = [variant("a", 120, gains=wrong), variant("b", 100, gains=right, model="n")]
    assert decide(pair, {"math": 200}, LOOKS).beaten == {"a": "b"}
    unclear = [variant("a", 120, gains=np.tile([1.0, 0, 0, 1], 10)),
               variant("b", 100, gains=np.tile([1.0, 1, 0, 0], 10), model="n")]  # fmt: skip
    assert decide(unclear, {"math": 200}, LOOKS).tasks == {"a", "b"}


def test_items_of_few_passages_tell_less_than_as_many_single_items():
    groups = np.repeat(np.arange(5), 8)
    better, worse = Answers(np.ones(40)), Answers(np.zeros(40))
    grouped = [replace(answers, groups=groups) for answers in (better, worse)]
    amount = Amount(1e-3, {"math": 40})

    def relation(first: Answers, second: Answers) -> Relation:
        a, b = variant("a"), variant("b", model="n")
        return compare_quality(
            replace(a, tasks={"math": first}), replace(b, tasks={"math": second}), amount
        )

    assert relation(better, worse) is Relation.better
    assert relation(*grouped) is not Relation.better


@pytest.mark.parametrize("spread", [0.1, 0.6])
@pytest.mark.parametrize("shared", [0.0, 0.8])
def test_equal_variants_are_seldom_called_better_at_any_look(spread: float, shared: float):
    """8 equally close variants, with hard chunks in common or not, after 8, 24 and 64 chunks: the
    chance that any pair is called apart at any look."""
    rng = np.random.default_rng(8)
    pairs = list(combinations(range(8), 2))
    amount = Amount(look_alpha(ERROR / 2 / len(pairs), LOOKS), {"text": CHUNKS})
    trials, wrong = 60, 0
    for _ in range(trials):
        own = rng.standard_normal((8, CHUNKS)) * (1 - shared**2) ** 0.5
        every = 0.1 * np.exp(spread * (own + shared * rng.standard_normal(CHUNKS)))
        wrong += any(
            compare_quality(variant("a", 1, every[i, :n]), variant("b", 1, every[j, :n]), amount)
            in (Relation.better, Relation.worse)
            for n in (8, 24, 64)
            for i, j in pairs
        )
    assert wrong / trials <= ERROR


@pytest.mark.parametrize("noise", [0.005, 0.03])
def test_equally_fast_variants_are_seldom_called_slower(noise: float):
    rng = np.random.default_rng(9)
    trials, wrong = 100, 0
    for _ in range(trials):
        own = [
            replace(
                variant(str(i), quality="q"),
                rates={"tg128": 100 * np.exp(noise * rng.standard_normal(3))},
            )
            for i in range(10)
        ]
        wrong += bool(decide(own, {}, LOOKS).beaten)
    assert wrong / trials <= ERROR
