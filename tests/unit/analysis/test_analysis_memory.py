"""What a variant needs in memory, and what fits a budget."""

import pytest
from analysis_cases import variant

from grid.analysis.memory import (
    ASSUMED_OVERHEAD,
    KV_TYPES,
    LONGEST,
    fits,
    footprint,
    kv_bytes,
    longest_context,
    overhead_bytes,
    stored_kv_types,
)
from grid.errors import InputError
from grid.models.model import LayerState
from grid.results.statistics import Interval
from grid.units import MIB

HALF = [1.0, 0.0] * 10
FULL = (LayerState(key=128, value=128),) * 4


def shaped(**fields):
    return variant("Q4_0", 1_000_000, HALF, **{"layers": FULL, **fields})


def test_the_cache_follows_from_what_each_layer_keeps():
    # 4 layers * 100 tokens * 256 elements * 2 bytes
    cache = kv_bytes(shaped(), 100)
    assert (cache.bytes, cache.exact) == (204_800, True)


def test_keys_and_values_may_have_different_types():
    # 4 * 100 * (128 * 34 / 32 + 128 * 18 / 32)
    assert kv_bytes(shaped(), 100, "q8_0", "q4_0").bytes == 83_200


def test_sliding_windows_bound_the_cache_and_recurrent_state_does_not_grow():
    layers = (LayerState(key=10, value=10, window=50), LayerState(key=0, value=0, fixed=7))
    mixed = shaped(layers=layers)
    assert kv_bytes(mixed, 20).bytes == 20 * 20 * 2 + 28
    assert kv_bytes(mixed, 5000).bytes == 50 * 20 * 2 + 28


def test_without_a_shape_the_measured_cache_is_scaled_and_says_so():
    measured = variant(
        "Q4_0", 9, HALF, kv_bytes=Interval(4096.0), memory_context=1024,
        options='{"kv_type_k": "q8_0", "kv_type_v": "q8_0"}',
    )  # fmt: skip
    cache = kv_bytes(measured, 2048)
    assert cache.bytes == round(4096 * 2 * 2 / (34 / 32))
    assert not cache.exact
    assert "scaled from 4 KiB at 1024 tokens" in cache.note


def test_without_shape_and_measured_cache_the_footprint_is_unknown():
    blank = variant("Q4_0", 1_000_000, HALF)
    needed = footprint(blank, 100)
    assert (kv_bytes(blank, 100), needed.kv, needed.total) == (None, None, None)
    assert needed.notes[0].startswith("KV cache unknown")
    assert longest_context(blank, 2e9) is None


def test_overhead_is_the_peak_less_weights_and_cache():
    measured = shaped(
        peak_rss_bytes=Interval(5_000_000.0), kv_bytes=Interval(1_500_000.0), memory_context=512
    )
    assert overhead_bytes(measured)[0] == 2_500_000
    # 4 * 512 * 256 * 2 = 1,048,576 where the cache was not stored
    shape = shaped(peak_rss_bytes=Interval(5_000_000.0), memory_context=512)
    assert overhead_bytes(shape)[0] == 2_951_424


def test_unmeasured_overhead_is_the_engines_median_or_assumed():
    def measured(name, peak, **fields):
        facts = {"kv_bytes": Interval(0.0), "memory_context": 8, "peak_rss_bytes": Interval(peak)}
        return variant(name, 100, HALF, **facts, **fields)

    others = [
        measured("a", 1100.0), measured("b", 1300.0), measured("c", 1900.0),
        measured("d", 9e9, backend="mlx"),
    ]  # fmt: skip
    assert overhead_bytes(shaped(), others) == (
        1200,
        "median of 3 measured variants in llamacpp",
    )
    assert overhead_bytes(shaped())[0] == ASSUMED_OVERHEAD


def test_a_peak_below_the_weights_gives_no_overhead():
    measured = shaped(peak_rss_bytes=Interval(1000.0), memory_context=8)
    assert overhead_bytes(measured)[0] == ASSUMED_OVERHEAD


@pytest.mark.parametrize("kind", ["cuda-sm89", "rocm-gfx1100", "vulkan"])
def test_host_memory_gives_no_overhead_of_a_card(kind):
    measured = shaped(
        peak_rss_bytes=Interval(5e9), kv_bytes=Interval(1e6), memory_context=512, device_kind=kind
    )
    assert overhead_bytes(measured, [measured]) == (
        ASSUMED_OVERHEAD,
        "assumed: 512 MiB, not measured",
    )


def test_the_footprint_is_the_sum_of_its_parts():
    needed = footprint(shaped(), 100, "f32")
    assert (needed.weights, needed.kv, needed.overhead) == (1_000_000, 409_600, ASSUMED_OVERHEAD)
    assert needed.total == 1_409_600 + ASSUMED_OVERHEAD


def test_a_context_longer_than_the_model_is_made_for_is_noted():
    assert (
        "the model is made for 64 tokens at most" in footprint(shaped(context_length=64), 100).notes
    )


@pytest.mark.parametrize("spare", [0, 1, 2047, 2048, 2049, 10 * 2048])
def test_the_longest_context_is_the_last_that_fits(spare):
    # 2048 bytes a token
    budget = 1_000_000 + ASSUMED_OVERHEAD + spare
    assert longest_context(shaped(), budget) == spare // 2048


def test_the_longest_context_never_exceeds_the_models():
    assert longest_context(shaped(context_length=4096), 2**40) == 4096
    assert longest_context(shaped(), 2**50) == LONGEST
    assert longest_context(shaped(), 10) == 0


def test_fits_lists_the_largest_first_and_unknown_ones_last():
    small, large = shaped(), shaped(artifact_id="large", artifact_bytes=2_000_000)
    blank = variant("blank", 5, HALF)
    budget = 1_500_000 + ASSUMED_OVERHEAD
    rows = fits([small, blank, large], budget, 100)
    assert [f.footprint.variant for f in rows] == [large, small, blank]
    assert [(f.fits, f.free) for f in rows] == [(False, -704_800), (True, 295_200), (None, None)]
    assert [f.room for f in rows] == [0, 244, None]


@pytest.mark.parametrize(
    ("options", "types"),
    [
        ("{}", ("f16", "f16")),
        ('{"kv_type_k": "q8_0", "kv_type_v": "f16"}', ("q8_0", "f16")),
        ('{"kv_dtype": "fp8_e4m3"}', ("fp8", "fp8")),
        ('{"kv_dtype": "auto"}', ("f16", "f16")),
        ('{"kv_dtype": "bfloat16"}', ("bf16", "bf16")),
    ],
)
def test_engine_options_name_the_type_of_the_cache(options, types):
    assert stored_kv_types(options) == types


def test_blocks_of_32_carry_their_scales():
    assert (KV_TYPES["q8_0"] * 32, KV_TYPES["q4_0"] * 32, KV_TYPES["q5_1"] * 32) == (34, 18, 24)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: kv_bytes(shaped(), 10, "q8"), "Did you mean 'q8_0'"),
        (lambda: kv_bytes(shaped(), 0), "give 1 or more"),
        (lambda: fits([shaped()], 0, 10), "give one above 0"),
        (lambda: fits([shaped()], float("nan"), 10), "give one above 0"),
    ],
)
def test_unknown_kv_types_contexts_and_budgets_are_refused(call, words):
    with pytest.raises(InputError, match=words):
        call()


def test_a_cards_overhead_is_of_the_cards_own_peak() -> None:
    peak = {"memory_context": 1024, "kv_bytes": Interval(100 * MIB), "device_kind": "cuda-sm89"}
    card = variant("Q8_0", 1000 * MIB, [1.0, 0.0], **peak, peak_vram_bytes=Interval(1300 * MIB))
    assert overhead_bytes(card)[0] == 200 * MIB
    host = variant("Q8_0", 1000 * MIB, [1.0, 0.0], **peak, peak_rss_bytes=Interval(1300 * MIB))
    assert overhead_bytes(host)[1].startswith("assumed")
