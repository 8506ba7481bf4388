"""Within one model KLD decides what tasks leave open; across models it never does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kld_cases import KLD, kld_ladder, scored, spread

from grid.analysis import Limits, draw_posterior, picks
from grid.analysis.quality_order import QualityOrder
from grid.results.statistics import Interval

FEW_ITEMS = [1.0] * 5 + [0.0] * 15
"""Twenty items, of which all variants answer the same."""


def pick_of(variants, axis="capability", draws=2000, **limits):
    return picks(variants, [Limits(**limits)], draws=draws, axis=axis)[0]


def beats(order, i, j):
    """Of the two alone."""
    best = max((i, j), key=order.value)
    return order.superiors([i, j], best)[j] is not None or j in order.closer([i, j])


def reasons(pick):
    return {lost.variant.quant: (lost.kind, lost.reason) for lost in pick.rejected}


class TestDivergenceAlone:
    def test_the_closest_within_the_limits_is_picked(self):
        ladder = kld_ladder()
        assert pick_of(ladder[1:], "kld_mean").variant.quant == "Q8_0"
        assert pick_of(ladder, "kld_mean", max_bytes=9000).variant.quant == "Q8_0"
        assert pick_of(ladder, "kld_mean", max_bytes=5000).variant.quant == "Q4_K_M"

    def test_rivals_are_surely_further_and_say_both_figures(self):
        lost = reasons(pick_of(kld_ladder(), "kld_mean", max_bytes=9000))
        assert lost["Q2_K"] == (
            "less close",
            "KLD 0.4 nat against 0.004 nat of base Q8_0, surely more than 0.01 nat of KLD apart",
        )
        assert lost["F16"][0] == "limit"

    def test_a_difference_too_small_to_choose_by_goes_to_the_smaller(self):
        pick = pick_of(kld_ladder(), "kld_mean")
        assert pick.variant.quant == "Q8_0"  # 0.004 nat
        assert [v.quant for v in pick.tied] == ["F16"]

    @pytest.mark.parametrize(("distance", "quant"), [(0.008, "Q4_K_M"), (0.013, "Q8_0")])
    def test_what_is_material_decides_if_it_is_sure(self, distance, quant):
        near, far = spread(0.05, 8), (np.array(spread(0.05, 8)) + distance).tolist()
        pick = pick_of([scored("Q8_0", near), scored("Q4_K_M", far)], "kld_mean")
        assert pick.variant.quant == quant

    def test_what_ties_goes_to_the_smaller(self):
        same = spread(0.05, 8)
        large, small = scored("Q8_0", same), scored("Q4_K_M", same)
        assert pick_of([large, small], "kld_mean").variant is small

    def test_what_is_under_the_noise_floor_ties_with_16_bits(self):
        ladder = [replace(v, noise_floor_nat=0.005) for v in kld_ladder()]
        pick = pick_of(ladder, "kld_mean")
        assert pick.variant.quant == "Q8_0"
        assert [v.quant for v in pick.tied] == ["F16"]

    def test_of_one_chunk_the_larger_divergence_does_not_win_by_its_size(self):
        ladder = kld_ladder(chunks=1)
        pick = pick_of(ladder, "kld_mean", max_bytes=9000)
        assert pick.variant.quant == "Q8_0"
        assert "how sure is not known" in reasons(pick)["Q2_K"][1]
        assert {v.quant for v in pick.tied} == {"Q4_K_M", "Q2_K"}

    def test_divergences_of_another_text_are_not_ranked(self):
        ladder = [*kld_ladder(), scored("Q3", spread(0.001, 8), text="else")]
        lost = reasons(pick_of(ladder, "kld_mean"))
        assert lost["Q3"][0] == "unmeasured"
        assert "another model, text or reference" in lost["Q3"][1]

    def test_a_share_of_16_bit_capability_is_unknown(self):
        pick = pick_of(kld_ladder(), "kld_mean", min_share=0.95)
        assert pick.variant is None
        assert {kind for kind, _ in reasons(pick).values()} == {"unmeasured"}

    def test_perplexity_ranks_where_there_is_no_divergence(self):
        hard = np.resize([2.0, 4.0, 3.0, 3.5, 2.5], 8)
        good = scored("Q8_0", None, nll=hard.tolist())
        bad = scored("Q4_K_M", None, nll=(hard + 0.1).tolist())
        pick = pick_of([good, bad], "perplexity")
        assert pick.variant is good
        assert "surely more than" in reasons(pick)["Q4_K_M"][1]


class TestDivergenceBesideTasks:
    def test_twenty_items_do_not_make_the_worst_quant_the_best(self):
        pick = pick_of(kld_ladder(gains=FEW_ITEMS))
        assert pick.variant.quant == "Q8_0"
        assert [v.quant for v in pick.tied] == ["F16"]
        assert pick.smallest.quant == "Q2_K"
        assert reasons(pick)["Q2_K"][0] == "less close"
        limited = pick_of(kld_ladder(gains=FEW_ITEMS), max_bytes=9000)
        assert limited.variant.quant == "Q8_0"

    def test_not_even_where_it_got_one_item_more_by_luck(self):
        *better, _ = kld_ladder(gains=FEW_ITEMS)
        lucky = scored("Q2_K", spread(KLD["Q2_K"], 8), [1.0] * 6 + [0.0] * 14)
        pick = pick_of([*better, lucky], max_bytes=9000)
        assert pick.variant.quant == "Q8_0"
        assert pick.best is lucky

    def test_one_chunk_is_enough_not_to_prefer_what_measured_worse(self):
        pick = pick_of(kld_ladder(chunks=1, gains=FEW_ITEMS), max_bytes=9000)
        assert pick.variant.quant == "Q8_0"
        assert "how sure is not known" in reasons(pick)["Q2_K"][1]

    def test_tasks_that_tell_go_before_divergence(self):
        rng = np.random.default_rng(0)
        answers = rng.permutation([1.0] * 300 + [0.0] * 100)
        close = scored("Q8_0", spread(0.004, 8), (answers * (rng.random(400) < 0.8)).tolist())
        capable = scored("Q4_K_M", spread(0.055, 8), answers.tolist())
        pick = pick_of([close, capable])
        assert pick.variant is capable
        assert reasons(pick)["Q8_0"][0] == "less capable"

    def test_models_are_never_ranked_by_it(self):
        first = scored("Q8_0", spread(0.004, 8), FEW_ITEMS, model="first", artifact_id="1")
        second = scored("Q2_K", spread(0.4, 8), FEW_ITEMS, model="second", artifact_id="2")
        assert pick_of([first, second]).variant is second, "the smaller of a tie"

    def test_figures_of_others_are_not_joined_with_ours(self):
        ours = scored("Q8_0", spread(0.004, 8), FEW_ITEMS)
        theirs = scored("Q2_K", spread(0.4, 8), FEW_ITEMS, origin="a table")
        assert pick_of([ours, theirs]).variant is theirs

    def test_quants_without_a_divergence_lose_what_their_bits_usually_cost(self):
        ladder = [
            v if v.quant == "F16" else replace(v, kld_mean=None, scored_text=None)
            for v in kld_ladder(gains=FEW_ITEMS)
        ]
        pick = pick_of(ladder)
        assert pick.variant.quant == "Q4_K_M"
        assert pick.smallest.quant == "Q2_K", "which the items cannot tell from the best"
        assert reasons(pick)["Q2_K"][0] == "expected loss"

    def test_a_share_of_16_bits_still_limits(self):
        answers = [1.0] * 300 + [0.0] * 100
        ladder = kld_ladder(gains=answers)
        poor = scored("Q2_K", spread(0.4, 8), [1.0] * 200 + [0.0] * 200)
        pick = pick_of([*ladder[:-1], poor], min_share=0.95, max_bytes=9000)
        assert pick.variant.quant == "Q8_0"
        assert reasons(pick)["Q2_K"][0] == "limit"

    def test_in_a_circle_what_tasks_leave_unbeaten_compares_alone(self):
        items, right = np.arange(400), np.array([1.0] * 200 + [0.0] * 200)
        a = scored("a", spread(0.3, 8), right.tolist())
        b = scored("b", spread(0.2, 8), np.where(items % 50 == 0, 0.0, right).tolist())
        c = scored("c", spread(0.1, 8), np.where(items % 25 == 24, 0.0, right).tolist())
        order = QualityOrder(draw_posterior([a, b, c]))
        assert beats(order, 0, 2), "by tasks"
        assert beats(order, 1, 0), "by divergence"
        assert beats(order, 2, 1), "by divergence"
        assert pick_of([a, b, c]).variant is b


@st.composite
def ladders(draw):
    """Up to six variants of two models, some without divergence or with unknown uncertainty."""
    variants = []
    for i in range(draw(st.integers(1, 6))):
        right = draw(st.integers(0, 20))
        mean = draw(st.sampled_from([0.0, 0.004, 0.0045, 0.05, 0.4]))
        chunks = draw(st.sampled_from([0, 1, 4, 8]))
        variant = scored(
            f"q{i}",
            spread(mean, chunks, noise=i) if chunks else None,
            [1.0] * right + [0.0] * (20 - right),
            model=draw(st.sampled_from(["first", "second"])),
            noise_floor_nat=draw(st.sampled_from([None, 0.0042])),
        )
        variants.append(replace(variant, artifact_bytes=draw(st.integers(1, 5)) * 1000))
    return variants


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ladders())
def test_the_pick_is_never_surely_worse_than_what_ties_with_it(variants):
    posterior = draw_posterior(variants, draws=400)
    pick = picks(posterior, [Limits()])[0]
    order = QualityOrder(posterior)
    best = posterior.index[pick.best.id]
    superiors = order.superiors(range(len(variants)), best)
    assert superiors[posterior.index[pick.variant.id]] is None
    tight = picks(posterior, [Limits(max_bytes=3000)])[0].variant
    if tight is not None:
        former, chosen = (posterior.index[v.id] for v in (tight, pick.variant))
        lost = order.expected[:, former].mean() - order.expected[:, chosen].mean()
        assert lost <= order.tolerance + 1e-9, "loosening a limit never costs more than tolerated"


@pytest.mark.parametrize("axis", ["capability", "kld_mean"])
def test_the_pick_does_not_depend_on_the_order_of_rows(axis):
    ladder = kld_ladder(gains=FEW_ITEMS if axis == "capability" else ())
    assert pick_of(ladder, axis).variant.quant == pick_of(ladder[::-1], axis).variant.quant


def test_interval_without_chunks_is_enough_to_be_sure():
    far = scored("Q2_K", None, scored_text=None, kld_mean=Interval(0.4, 0.38, 0.42))
    near = scored("Q8_0", None, scored_text=None, kld_mean=Interval(0.004, 0.003, 0.005))
    assert pick_of([far, near], "kld_mean").variant is near
