"""Perplexity and the divergence table against values worked out by hand."""

import math

import numpy as np
import pytest

from grid.results.statistics import (
    bits_per_byte,
    chunk_mean,
    dp_table,
    kld_by_confidence,
    kld_table,
    ln_ppl_ratio,
    perplexity,
    same_top,
)

NLL = np.array([[1.0, 3.0], [2.0, 2.0]])


def test_perplexity_is_exp_of_the_mean_nll_with_the_standard_error_of_llama_cpp():
    interval = perplexity(NLL)
    # E[x] = 2, E[x^2] - E[x]^2 = 0.5, n - 1 = 3
    assert interval.value == pytest.approx(math.exp(2))
    assert interval.sd == pytest.approx(math.exp(2) * math.sqrt(0.5 / 3))


def test_chunk_mean_of_few_chunks_has_student_t_over_chunk_means():
    interval = chunk_mean([[1.0, 1.0], [3.0, 3.0]])
    half = 12.706204736174694  # t(1) * sd sqrt(2) / sqrt(2)
    assert (interval.low, interval.high) == pytest.approx((2 - half, 2 + half))


def test_one_chunk_has_no_interval_but_a_standard_error_over_tokens():
    interval = perplexity([[1.0, 2.0, 3.0]])
    assert (interval.low, interval.high) == (None, None)
    assert interval.sd == pytest.approx(math.exp(2) * math.sqrt((2 / 3) / 2))


def test_bits_per_byte_divides_the_sum_by_ln_2_and_bytes():
    assert bits_per_byte(NLL, 4).value == pytest.approx(8 / (math.log(2) * 4))
    with pytest.raises(ValueError, match="bytes"):
        bits_per_byte(NLL, 0)


def test_ln_ppl_ratio_uses_the_paired_covariance():
    reference = NLL - [[0.1, 0.3], [0.1, 0.3]]
    interval = ln_ppl_ratio(NLL, reference)
    assert interval.value == pytest.approx(0.2)
    assert interval.value == pytest.approx(
        math.log(perplexity(NLL).value / perplexity(reference).value)
    )
    covariance = np.cov(NLL.ravel(), reference.ravel(), ddof=0)
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert interval.sd == pytest.approx(math.sqrt(variance / 3))


def test_kld_table_holds_mean_quantiles_and_extremes():
    kld = np.arange(1000.0).reshape(10, 100)
    intervals = kld_table(kld)
    assert list(intervals) == ["mean", "median", "p90", "p95", "p99", "p999", "min", "max"]
    assert intervals["mean"].value == 499.5
    assert intervals["mean"].sd == pytest.approx(math.sqrt(kld.var() / 999))
    assert intervals["median"].value == 499.5
    assert intervals["p90"].value == pytest.approx(899.1)
    assert intervals["p999"].value == pytest.approx(998.001)
    assert (intervals["min"].value, intervals["max"].value) == (0.0, 999.0)


def test_the_interval_of_a_quantile_resamples_whole_chunks():
    kld = np.tile(np.arange(8.0)[:, None], (1, 50))  # a chunk is one value: 8 observations, not 400
    interval = kld_table(kld)["median"]
    assert interval.low <= 2.0
    assert interval.high >= 5.0
    assert kld_table(kld)["p999"].low is None


def test_a_mean_divergence_is_never_given_a_negative_end():
    kld = [[0.0, 0.0], [0.0, 1.0], [0.0, 0.0]]
    assert kld_table(kld)["mean"].low == 0.0


def test_dp_table_has_mean_and_root_mean_square_with_its_error():
    dp = np.array([[-0.3, 0.1], [0.1, 0.3]])
    intervals = dp_table(dp)
    rms = math.sqrt(0.05)
    assert intervals["mean"].value == pytest.approx(0.05)
    assert intervals["rms"].value == pytest.approx(rms)
    assert intervals["rms"].sd == pytest.approx(math.sqrt((dp**2).var() / 3) / (2 * rms))
    assert (intervals["min"].value, intervals["max"].value) == (-0.3, 0.3)


def test_dp_rms_of_no_difference_is_0_without_an_error():
    interval = dp_table(np.zeros((3, 4)))["rms"]
    assert (interval.value, interval.sd) == (0.0, None)


def test_same_top_has_the_standard_error_of_a_share():
    interval = same_top([[1, 1, 0, 1], [1, 0, 1, 1]])
    assert interval.value == 0.75
    assert interval.sd == pytest.approx(math.sqrt(0.75 * 0.25 / 7))
    assert interval.high <= 1


def test_same_top_of_full_agreement_keeps_an_interval():
    interval = same_top(np.ones((4, 100)))
    assert (interval.value, interval.high) == (1.0, 1.0)
    assert 0.98 < interval.low < 1.0


def test_text_statistics_refuse_values_without_chunks():
    with pytest.raises(ValueError, match=r"\[chunks, tokens\]"):
        perplexity([1.0, 2.0])


def test_kld_by_confidence_splits_the_mean_by_the_references_top_probability():
    top1 = np.tile([0.1, 0.25, 0.4, 0.5, 0.8, 0.9, 0.99, 1.0], (8, 1))
    kld = np.tile([8.0, 3.0, 5.0, 1.0, 2.0, 0.1, 0.2, 0.3], (8, 1)) + np.arange(8)[:, None] / 100
    bands = kld_by_confidence(kld, top1)
    means = {name: band.value - 0.035 for name, band in bands.items()}
    assert means == pytest.approx(
        {"below_25": 8.0, "25_to_50": 4.0, "50_to_90": 1.5, "from_90": 0.2}
    )
    assert [band.n for band in bands.values()] == [8, 16, 16, 24]
    whole = sum(band.value * band.n for band in bands.values()) / kld.size
    assert whole == pytest.approx(kld.mean())
    for band in bands.values():
        assert band.low < band.value < band.high


def test_a_band_without_tokens_is_left_out_and_of_one_chunk_has_no_interval():
    bands = kld_by_confidence([[0.1, 0.2]], [[0.95, 0.3]])
    assert set(bands) == {"25_to_50", "from_90"}
    assert bands["from_90"].low is None


def test_the_interval_of_a_band_covers_its_mean_where_chunks_differ_in_tokens_and_level():
    rng = np.random.default_rng(5)
    covered = []
    for _ in range(300):
        share = rng.uniform(0.1, 0.9, (20, 1))
        top1 = np.where(rng.random((20, 60)) < share, 0.95, 0.3)
        kld = rng.exponential(0.1, (20, 60)) * np.exp(rng.normal(0, 0.3, (20, 1)))
        band = kld_by_confidence(kld, top1)["from_90"]
        covered.append(band.low < 0.1 * np.exp(0.3**2 / 2) < band.high)
    assert np.mean(covered) > 0.9
