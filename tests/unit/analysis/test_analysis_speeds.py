"""Rates by depth, against 16 bits and against the memory's ceiling."""

import numpy as np
import pytest
from analysis_cases import variant
from scipy.stats import ttest_ind

from grid.analysis import Speed
from grid.analysis.speeds import kv_type, latencies, speeds, utilisation
from grid.models.model import LayerState
from grid.results.statistics import Interval, rate_interval, rate_ratio

HALF = [1.0, 0.0] * 10
# Seconds for 64 steps of a real sweep's F16 and Q8_0 of one small model.
F16_S = [0.01453015, 0.02185111, 0.01643911, 0.03414254, 0.01867139]
Q8_0_S = [0.00625528, 0.00594667, 0.00611295, 0.00583482, 0.00617530]


def timed(seconds, tokens=64, depth=0):
    rates = tokens / np.array(seconds)
    return Speed(rate_interval(rates), rates, tokens, depth)


def variant_with_decode(name, size, seconds, **fields):
    return variant(name, size, HALF, **{"decode": {0: timed(seconds)}, **fields})


def test_a_rate_relative_to_16_bits_is_the_ratio_of_means_with_welchs_interval():
    whole, quant = (
        variant_with_decode("F16", 200, F16_S, sixteen_bit=True),
        variant_with_decode("Q8_0", 100, Q8_0_S),
    )
    first, second = speeds([quant, whole])
    assert first.variant is whole
    assert first.relative == Interval(1.0, n=5, method="the 16-bit variant itself")
    mean = np.mean([64 / s for s in Q8_0_S]) / np.mean([64 / s for s in F16_S])
    assert second.relative.value == pytest.approx(mean)
    logs = -np.log(Q8_0_S), -np.log(F16_S)
    expected = ttest_ind(*logs, equal_var=False).confidence_interval(0.95)
    assert np.log([second.relative.low, second.relative.high]) == pytest.approx(list(expected))


def test_rows_are_by_kind_model_size_and_depth():
    depths = {0: timed(Q8_0_S), 512: timed(F16_S, depth=512)}
    group = [
        variant_with_decode("Q4_0", 50, Q8_0_S),
        variant_with_decode(
            "Q8_0", 100, Q8_0_S, decode=depths, prefill={0: timed(F16_S, tokens=256)}
        ),
    ]
    rows = [(r.kind, r.variant.quant, r.depth, r.tokens) for r in speeds(group)]
    assert rows == [
        ("prefill", "Q8_0", 0, 256),
        ("decode", "Q8_0", 0, 64),
        ("decode", "Q8_0", 512, 64),
        ("decode", "Q4_0", 0, 64),
    ]


@pytest.mark.parametrize(
    "whole",
    [
        variant_with_decode("F16", 200, F16_S),
        variant_with_decode("F16", 200, F16_S, sixteen_bit=True, hardware_class="other"),
        variant_with_decode("F16", 200, F16_S, sixteen_bit=True, backend="mlx"),
        variant_with_decode("F16", 200, F16_S, sixteen_bit=True, model="other"),
        variant_with_decode(
            "F16", 200, F16_S, sixteen_bit=True, decode={0: timed(F16_S, tokens=128)}
        ),
        variant_with_decode(
            "F16", 200, F16_S, sixteen_bit=True, decode={512: timed(F16_S, depth=512)}
        ),
    ],
    ids=["not 16 bits", "hardware", "engine", "model", "tokens", "depth"],
)
def test_nothing_is_relative_to_something_unlike(whole):
    rows = [
        r
        for r in speeds([whole, variant_with_decode("Q8_0", 100, Q8_0_S)])
        if r.variant.quant == "Q8_0"
    ]
    assert [row.relative for row in rows] == [None]


def test_a_single_repetition_gives_a_ratio_without_an_interval():
    ratio = rate_ratio([10.0], [5.0, 5.0])
    assert (ratio.value, ratio.low, ratio.high) == (2.0, None, None)


def test_rates_that_do_not_vary_give_a_point():
    ratio = rate_ratio([10.0, 10.0], [5.0, 5.0])
    assert (ratio.low, ratio.high) == pytest.approx((2.0, 2.0))


def test_utilisation_is_bytes_read_per_second_over_the_bandwidth():
    facts = {"bandwidth_bytes_s": 1e9, "llc_bytes": 100.0, "layers": (LayerState(8, 8),)}
    depths = {0: timed([6.4, 6.4]), 100: timed([8.0, 8.0], depth=100)}
    quant = variant_with_decode("Q8_0", 10_000_000, Q8_0_S, decode=depths, **facts)
    # 10 token/s * 10 MB / 1 GB/s; at depth 100 the cache of 100 * 16 * 2 bytes is read as well
    assert utilisation(quant, 0) == pytest.approx(0.1)
    assert utilisation(quant, 100) == pytest.approx(8 * (10_000_000 + 3200) / 1e9)
    assert [row.utilisation for row in speeds([quant])] == [
        utilisation(quant, 0),
        utilisation(quant, 100),
    ]


@pytest.mark.parametrize(
    "lack",
    [
        {"bandwidth_bytes_s": None},
        {"device_kind": "cuda-sm89"},
        {"device_kind": "metal-m2"},
        {"llc_bytes": None},
        {"llc_bytes": 2_500_001.0},
        {"decode": {}},
        {"decode": {100: timed([8.0, 8.0], depth=100)}},
    ],
)
def test_utilisation_is_unknown_without_its_parts_within_the_cache_or_on_a_card(lack):
    facts = {"bandwidth_bytes_s": 1e9, "llc_bytes": 2_500_000.0, **lack}
    quant = variant_with_decode("Q8_0", 10_000_000, Q8_0_S, **facts)
    assert utilisation(quant, 100 if 100 in quant.decode else 0) is None


def test_the_type_of_the_cache_is_named_by_the_options():
    same = variant_with_decode("a", 1, F16_S, options='{"kv_type_k": "q8_0", "kv_type_v": "q8_0"}')
    mixed = variant_with_decode("a", 1, F16_S, options='{"kv_type_k": "q8_0", "kv_type_v": "f16"}')
    assert (kv_type(same), kv_type(mixed)) == ("q8_0", "q8_0 / f16")


def test_latencies_are_by_size_and_relative_at_the_same_prompt():
    def late(name, size, ttft, prompt=64, **fields):
        facts = {"ttft_s": Interval(ttft, n=5), "latency_prompt": prompt}
        return variant(name, size, HALF, **facts, **fields)

    group = [
        late("F16", 300, 0.4, sixteen_bit=True),
        late("Q8_0", 150, 0.3),
        late("Q4_0", 80, 0.1, prompt=128),
        variant("Q2_K", 50, HALF),
    ]
    rows = latencies(group)
    assert [(row.variant.quant, row.bytes, row.prompt) for row in rows] == [
        ("Q4_0", 80, 128), ("Q8_0", 150, 64), ("F16", 300, 64),
    ]  # fmt: skip
    assert [row.relative and row.relative.value for row in rows] == [None, pytest.approx(0.75), 1.0]
