"""An owner's name for a chip finds the chip."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from grid.errors import InputError
from grid.hardware.chips import budget_chip, chips, find_chip, possible_chips, search_chips
from grid.hardware.chips.chip import Chip

TYPED = {
    "4090": ("NVIDIA GeForce RTX 4090", 1008),
    "RTX3090Ti": ("NVIDIA GeForce RTX 3090 Ti", 1008),
    "rtx 3060 12gb": ("NVIDIA GeForce RTX 3060 12 GB", 360),
    "NVIDIA GeForce RTX 4090 Laptop GPU": ("NVIDIA GeForce RTX 4090 Mobile", 576),
    "NVIDIA A100-SXM4-80GB": ("NVIDIA A100 SXM4 80 GB", 2039),
    "NVIDIA H100 80GB HBM3": ("NVIDIA H100 SXM5 80 GB", 3360),
    "NVIDIA H100 PCIe": ("NVIDIA H100 PCIe 80 GB", 2040),
    "NVIDIA H200": ("NVIDIA H200 SXM 141 GB", 4800),
    "4070 ti super": ("NVIDIA GeForce RTX 4070 Ti SUPER", 672),
    "7900 xtx": ("AMD Radeon RX 7900 XTX", 960),
    "Intel(R) Arc(TM) B580 Graphics": ("Intel Arc B580", 456),
    "AMD Radeon RX 7900 XTX (RADV NAVI31)": ("AMD Radeon RX 7900 XTX", 960),
    "rtx 3090 24 gb": ("NVIDIA GeForce RTX 3090", 936),
    "rtx 3060 ti": ("NVIDIA GeForce RTX 3060 Ti", 448),
    "M2 Max 64GB": ("Apple M2 Max (30)", 400),
    "m3 max 30": ("Apple M3 Max (30)", 300),
    "m3 max 40": ("Apple M3 Max (40)", 400),
    "M2 Ultra 76": ("Apple M2 Ultra (76)", 800),
    "Apple M1 (8-core GPU)": ("Apple M1 (8)", 68),
    "ddr5-5600": ("DDR5-5600, 2 channels", 89.6),
    "ddr4 3200 8 channels": ("DDR4-3200, 8 channels", 204.8),
}


@pytest.mark.parametrize("typed", TYPED)
def test_an_owners_name_for_a_chip_finds_it(typed: str) -> None:
    name, gb_s = TYPED[typed]
    chip = find_chip(typed)
    assert chip.name == name
    assert chip.bandwidth_bytes_s / 1e9 == pytest.approx(gb_s, rel=0.01)


@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("rtx 4091", "NVIDIA GeForce RTX 4090"),
        ("GTX 3090", "NVIDIA GeForce RTX 3090"),
        ("ddr5-5601", "DDR5-5600, 2 channels"),
    ],
)
def test_a_wrong_chip_name_suggests_the_nearest(typed: str, near: str) -> None:
    with pytest.raises(InputError, match=r"is known\. Did you mean") as caught:
        find_chip(typed)
    assert near in str(caught.value)


@pytest.mark.parametrize(
    "typed", ["", "  ", "nothing like a chip", "cuda", "4090 512gb", "one GPU"]
)
def test_a_name_of_no_chip_is_an_error(typed: str) -> None:
    with pytest.raises(InputError, match="no chip"):
        find_chip(typed)


def test_a_platform_in_the_name_is_what_the_card_computes_through() -> None:
    assert find_chip("7900 xtx").platform == "vulkan"
    assert find_chip("7900 xtx rocm").platform == "rocm"
    assert find_chip("3090 vulkan").platform == "vulkan"


def test_a_bandwidth_decides_where_the_name_leaves_it_open() -> None:
    assert find_chip("m3 max", 400e9).name == "Apple M3 Max (40)"
    assert find_chip("m4 max", 410e9).name == "Apple M4 Max (32)"


def test_every_chips_full_name_finds_it() -> None:
    assert all(find_chip(name).name == name for name in chips())


def test_every_chips_name_in_lower_case_is_that_chip_or_among_those_listed() -> None:
    for name, chip in chips().items():
        alike = [
            candidate
            for candidate in possible_chips(name.lower())
            if candidate.memory_bytes == chip.memory_bytes
            and candidate.bandwidth_bytes_s == pytest.approx(chip.bandwidth_bytes_s, rel=0.02)
        ]
        assert alike, name


WORDS = (
    *(
        "rtx",
        "4090",
        "3060",
        "ti",
        "x2",
        "2x",
        "dual",
        "24gb",
        "16GB",
        "m4",
        "pro",
        "max",
        "14-core",
    ),
    *(
        "14-core",
        "ddr5-5600",
        "ddr4",
        "channel",
        "octa",
        "cpu",
        "vulkan",
        "(radv gfx1151)",
        "laptop",
        "780m",
    ),
    *("ryzen", "9", "7950x", "epyc", "9654", "jetson", "orin", "hbm3", "936GB/s", "arc", "h100"),
)


@given(st.text(max_size=40) | st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join))
@example("2x" * 20)
@example("x2")
@example("999999999 x rtx 4090")
@example("rtx 4090 x0")
@example("0x rtx 4090")
@example("m4 pro 0gb")
def test_any_text_is_a_chip_or_one_line(text: str) -> None:
    try:
        assert find_chip(text).bandwidth_bytes_s > 0
    except InputError as error:
        assert "\n" not in str(error) or "\n" in text  # noqa: PT017


def test_tensor_cores_count_for_the_rate_at_16_bits() -> None:
    tflops = {"3090": 71, "4090": 165, "a100 sxm4 80gb": 312, "Tesla V100 SXM2 16 GB": 130}
    for name, rate in tflops.items():
        flops = find_chip(name).flops_half
        assert flops is not None
        assert flops / 1e12 == pytest.approx(rate, rel=0.06)


def test_the_m1_has_the_flops_that_apple_states() -> None:
    assert find_chip("m1 8").flops_half == pytest.approx(2.6e12, rel=0.01)


def test_search_needs_all_words_in_a_chips_name() -> None:
    assert [chip.name for chip in search_chips("m4 max")] == [
        "Apple M4 Max (32)",
        "Apple M4 Max (40)",
    ]
    assert len(search_chips("")) == len(chips())
    assert search_chips("no such thing") == []


@pytest.mark.parametrize("bandwidth", [0.0, -1e9, float("nan"), float("inf")])
def test_a_bandwidth_must_be_above_zero(bandwidth: float) -> None:
    with pytest.raises(InputError, match="bandwidth"):
        budget_chip(None, bandwidth)


def test_a_memory_and_bandwidth_budget_is_a_chip() -> None:
    chip = budget_chip(16 * 2**30, 100e9, "cuda")
    assert (chip.memory_bytes, chip.platform, chip.unified) == (16 * 2**30, "cuda", False)
    assert budget_chip(None, 50e9).unified


def test_an_unknown_platform_is_refused() -> None:
    with pytest.raises(InputError, match="platform 'abacus'"):
        Chip(name="x", vendor="", platform="abacus", bandwidth_bytes_s=1e9)
