"""More bits of one model do not hurt: a prior that answers overturn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from analysis_cases import variant
from kld_cases import scored, spread

from grid.analysis import Variant, draw_posterior, frontier, picks
from grid.analysis.limits import Limits
from grid.analysis.posterior import subset

BITS = {"F16": 16.0, "Q8_0": 8.5, "Q6_K": 6.56, "Q5_K_M": 5.7, "Q4_K_M": 4.9, "Q3_K_M": 4.0}
HALF = np.array([1.0, 0.0] * 60)


def ladder(flips: dict[str, int] | None = None, model: str = "base") -> list[Variant]:
    """Quants that answer 120 items alike, but for some right answers that turned wrong."""
    variants = []
    for quant, bits in BITS.items():
        gains = HALF.copy()
        gains[: 2 * (flips or {}).get(quant, 0) : 2] = 0.0
        about = {"artifact_id": f"{model}-{quant}", "model": model, "bpw_file": bits}
        variants.append(variant(quant, int(1000 * bits), gains, **about))
    return variants


def expected(variants: list[Variant]) -> dict[str, float]:
    posterior = draw_posterior(variants)
    means = posterior.informed.mean(axis=0)
    return {v.quant: float(m) for v, m in zip(posterior.variants, means, strict=True)}


def test_of_equal_answers_more_bits_are_expected_to_be_better() -> None:
    by_quant = expected(ladder())
    means = [by_quant[quant] for quant in BITS]
    assert means == sorted(means, reverse=True)
    assert by_quant["F16"] - by_quant["Q8_0"] < 0.001
    assert by_quant["F16"] - by_quant["Q3_K_M"] > 0.005


def test_every_rung_of_a_ladder_is_probably_on_the_frontier() -> None:
    for point in frontier(ladder()).points:
        assert point.probability > 0.6, point.variant.quant


def test_quants_may_be_exactly_as_good_and_then_the_smallest_alone_is_on_the_frontier() -> None:
    draws = draw_posterior(ladder()).informed
    tied = (draws == draws[:, :1]).all(axis=1).mean()
    assert 0.01 < tied < 0.3


def test_a_loss_that_answers_show_is_no_tie() -> None:
    draws = draw_posterior(ladder({"Q3_K_M": 12})).informed
    assert (draws[:, -1] == draws[:, 0]).mean() < 0.01
    assert (draws[:, 1] == draws[:, 0]).mean() > 0.01


def test_answers_alone_make_the_draws_that_claims_rest_on() -> None:
    posterior = draw_posterior(ladder())
    means = posterior.capability.mean(axis=0)
    assert means == pytest.approx([0.5] * len(BITS), abs=0.01)


def test_many_answers_overturn_the_order() -> None:
    """Q6_K is broken: it gets 25 of 60 right answers wrong that Q3_K_M gets right."""
    by_quant = expected(ladder({"Q6_K": 25}))
    assert by_quant["Q6_K"] < by_quant["Q3_K_M"] - 0.1
    assert by_quant["Q6_K"] == pytest.approx(0.5 - 25 / 120, abs=0.04)


def test_where_answers_fit_no_order_they_decide_alone() -> None:
    upside_down = ladder({"F16": 30, "Q8_0": 24, "Q6_K": 18, "Q5_K_M": 12, "Q4_K_M": 6})
    by_quant = expected(upside_down)
    means = [by_quant[quant] for quant in BITS]
    assert means == sorted(means)
    assert by_quant["F16"] == pytest.approx(0.25, abs=0.05)


def test_divergence_orders_before_bits() -> None:
    """Q5_K_M of this model lost more than Q4_K_M, as its KL divergence shows."""
    kld = {"F16": 0.0, "Q8_0": 0.001, "Q5_K_M": 0.2, "Q4_K_M": 0.03}
    variants = [
        scored(quant, spread(nats, 8), [1.0, 0.0] * 60, bpw_file=BITS[quant])
        for quant, nats in kld.items()
    ]
    by_quant = expected(variants)
    assert by_quant["Q4_K_M"] > by_quant["Q5_K_M"] + 0.004


def test_models_do_not_share_a_ladder() -> None:
    alone = expected(ladder())
    first, second = ladder(model="first"), ladder({"Q3_K_M": 20}, model="second")
    posterior = draw_posterior([*first, *second])
    means = posterior.informed[:, : len(first)].mean(axis=0)
    assert means == pytest.approx(list(alone.values()), abs=0.01)


def test_variants_of_unknown_bits_keep_their_draws() -> None:
    plain = [replace(v, bpw_file=None, sixteen_bit=False) for v in ladder()[1:]]
    posterior = draw_posterior(plain)
    assert (posterior.informed == posterior.capability).all()


def test_options_that_change_no_answer_stay_equal() -> None:
    twins = [*ladder(), replace(ladder()[2], options='{"threads": 1}')]
    posterior = draw_posterior(twins)
    assert (posterior.informed[:, 2] == posterior.informed[:, -1]).all()


def test_a_part_of_a_posterior_knows_what_the_whole_ladder_says() -> None:
    posterior = draw_posterior(ladder())
    part = subset(posterior, {posterior.variants[1].id, posterior.variants[4].id})
    assert (part.informed == posterior.informed[:, [1, 4]]).all()


def test_tolerance_decides_how_small_the_pick_may_be() -> None:
    def quant(tolerance: float) -> str:
        (pick,) = picks(ladder(), [Limits()], tolerance=tolerance)
        assert pick.variant is not None
        assert pick.expected_loss <= tolerance
        return pick.variant.quant

    chosen = [quant(tolerance) for tolerance in (0.0, 0.001, 0.01, 0.1)]
    bits = [BITS[name] for name in chosen]
    assert chosen[0] == "F16"
    assert chosen[-1] == "Q3_K_M"
    assert bits == sorted(bits, reverse=True)
