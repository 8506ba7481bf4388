"""What quantization costs: the heatmap's cells, text metrics and the cliff."""

import math

import numpy as np
import pytest
from analysis_cases import variant

from grid.analysis import draw_posterior
from grid.analysis.sensitivity import bits_per_weight, cliff, sensitivity, text_row
from grid.errors import InputError
from grid.results.statistics import Interval


def right(count, n=100):
    return [1.0] * count + [0.0] * (n - count)


def whole(gains=None, **fields):
    facts = {"sixteen_bit": True, "defines_floor": True, "bpw_file": 16.0, **fields}
    return variant("F16", 1600, gains or right(80), **facts)


def test_retained_quality_is_the_ratio_of_paired_means():
    # A real sweep's math: 6 right in the quant only, 16 in F16 only, 5 in both: 11 of 21.
    quant = [1.0] * 6 + [0.0] * 16 + [1.0] * 5 + [0.0] * 73
    full = [0.0] * 6 + [1.0] * 16 + [1.0] * 5 + [0.0] * 73
    result = sensitivity([whole(full), variant("Q4_K_M", 500, quant)])
    (cell,) = [c for (_, key), c in result.retained.items() if c.variant.quant == "Q4_K_M"]
    assert cell.share.value == pytest.approx(11 / 21)
    assert 0.2 < cell.share.low < 11 / 21 < cell.share.high < 1.0
    assert (cell.n, cell.reason) == (100, "")


def test_the_16_bit_variant_keeps_all_of_itself():
    reference = whole()
    cell = sensitivity([reference]).retained["math", reference.id]
    assert (cell.share.value, cell.share.low, cell.n) == (1.0, None, 100)


def test_the_heatmap_has_every_class_and_variant_largest_first():
    scores = {"math": right(80), "recall": right(60)}
    group = [variant("Q4_0", 400, {"math": right(70)}), whole(scores), variant("Q8_0", 800, scores)]
    result = sensitivity(group)
    assert result.classes == ("math", "recall")
    assert [v.quant for v in result.variants] == ["F16", "Q8_0", "Q4_0"]
    assert set(result.retained) == {(name, v.id) for name in result.classes for v in group}


def cell_of(group, name="math"):
    result = sensitivity(group)
    (cell,) = [
        c for (of, _), c in result.retained.items() if of == name and c.variant.quant == "Q4_0"
    ]
    return cell


@pytest.mark.parametrize(
    ("group", "reason"),
    [
        ([variant("Q4_0", 4, right(70))], "no 16-bit variant of base"),
        ([variant("Q4_0", 4, right(70)), whole(model="other")], "no 16-bit variant of base"),
        ([variant("Q4_0", 4, {"recall": right(70)}), whole()], "math was not measured"),
        ([variant("Q4_0", 4, right(70), items={}), whole()], "no items, only a figure"),
        (
            [variant("Q4_0", 4, right(1)), whole([1.0] + [0.0] * 99)],
            "the 16-bit score is less than 2 SE above chance",
        ),
    ],
)
def test_unknown_retained_quality_says_why(group, reason):
    cell = cell_of(group)
    assert (cell.share, cell.reason) == (None, reason)


def test_a_text_row_holds_percentiles_and_the_perplexity_ratio():
    metrics = {
        "kld_mean": Interval(0.02), "kld_p99": Interval(0.069), "dp_p01": Interval(-0.1),
        "ln_ppl_ratio": Interval(0.00785, 0.002, 0.014, 0.003), "perplexity": Interval(5.0),
    }  # fmt: skip
    row = text_row(variant("Q4_K_M", 4, right(70), text_metrics=metrics))
    assert row.kld == {"mean": Interval(0.02), "p99": Interval(0.069)}
    assert row.dp == {"p01": Interval(-0.1)}
    ratio = row.perplexity_ratio
    assert (ratio.value, ratio.low) == pytest.approx((math.exp(0.00785), math.exp(0.002)))
    assert (ratio.high, ratio.sd) == pytest.approx((math.exp(0.014), 0.003 * math.exp(0.00785)))


def test_without_text_metrics_a_row_is_empty():
    row = text_row(variant("Q4_K_M", 4, right(70)))
    assert (row.kld, row.dp, row.perplexity_ratio) == ({}, {}, None)


def ladder(*counts):
    """16 bits with 80 of 100 right, and quants of 8, 6, 4, ... bits with these counts."""
    bits = (8.5, 6.5, 4.8, 3.4, 2.6)
    return [
        whole(),
        *(
            variant(f"Q{i}", int(100 * bpw), right(count), bpw_file=bpw)
            for i, (bpw, count) in enumerate(zip(bits, counts, strict=False))
        ),
    ]


def test_the_cliff_is_where_all_that_is_smaller_loses_surely():
    edge = cliff(ladder(80, 79, 77, 60, 40))
    assert edge.bpw == 3.4
    assert [step.sure for step in edge.steps] == [False, False, False, True, True]
    assert [step.bpw for step in edge.steps] == [8.5, 6.5, 4.8, 3.4, 2.6]
    assert edge.steps[3].difference.value == pytest.approx(-0.2)
    assert edge.steps[3].difference.high < 0 < edge.steps[1].difference.high


def test_a_loss_that_is_tolerated_moves_the_cliff():
    assert cliff(ladder(80, 79, 77, 60, 20), loss=0.3).bpw == 2.6


def test_a_sure_loss_above_a_quant_that_may_lose_nothing_is_no_cliff():
    edge = cliff(ladder(80, 60, 79))
    assert edge.bpw is None
    assert edge.reason == "some lose surely, but not the one of the fewest bits"


@pytest.mark.parametrize(
    ("group", "reason"),
    [
        (ladder(80, 79), "no loss is sure"),
        (ladder(), "no quant and its 16 bits have capability"),
        (ladder(60)[1:], "no quant and its 16 bits have capability"),
    ],
)
def test_no_cliff_says_why(group, reason):
    edge = cliff(group)
    assert (edge.bpw, edge.reason) == (None, reason)


def test_a_figure_of_unknown_uncertainty_is_never_a_sure_loss():
    figure = {"math": Interval(0.1)}
    facts = {"items": {}, "classes": figure, "capability": figure["math"], "bpw_file": 4.5}
    edge = cliff([whole(), variant("Q4_0", 500, right(10), **facts)])
    (step,) = edge.steps
    assert (step.probability, step.sure, edge.bpw) == (None, False, None)
    assert step.difference == Interval(pytest.approx(-0.7), n=1, method="no uncertainty known")


def test_draws_made_before_give_the_same_cliff():
    group = ladder(80, 79, 77, 60, 40)
    assert cliff(draw_posterior(group)) == cliff(group)


def test_a_cliff_of_several_models_is_refused():
    with pytest.raises(InputError, match="not that of 2"):
        cliff([*ladder(80), whole(model="other")])
    with pytest.raises(InputError, match="is not a share"):
        cliff(ladder(80), loss=1.0)


def test_bits_per_weight_come_from_the_file_or_from_its_size():
    assert bits_per_weight(variant("Q4_0", 600, right(1), bpw_file=4.5)) == 4.5
    assert bits_per_weight(variant("Q4_0", 600, right(1), parameters=1000)) == 4.8
    assert bits_per_weight(variant("Q4_0", 600, right(1), parameters=0)) is None


def test_the_heatmap_does_not_depend_on_the_order_of_variants():
    group = ladder(80, 79, 77)
    plain, turned = sensitivity(group), sensitivity(group[::-1])
    assert plain == turned
    assert np.isfinite([c.share.value for c in plain.retained.values()]).all()
