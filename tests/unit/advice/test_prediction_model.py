"""The model finds what is true where it is known, and repeats itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from prediction_worlds import World, shapes

from grid.advice.prediction import (
    DeviceShare,
    Observation,
    Predictor,
    leave_one_out,
    predict_split,
    published_observations,
)
from grid.advice.prediction.fit import FittedRate
from grid.advice.prediction.quants import (
    GROUPED,
    I_LOW,
    K_HIGH,
    K_LOW,
    LEGACY,
    SIXTEEN,
    bits,
    family,
)
from grid.errors import InputError
from grid.hardware.chips import budget_chip, find_chip


def exact_rows() -> list[Observation]:
    """Rates of 0.8 of the bandwidth, 50,000 cycles a layer, an operation for each weight; prompts
    reach half of the 16-bit rate, and each batch of 512 reads the weights and starts kernels."""
    return [
        replace(
            row,
            decode_tps=1
            / (
                row.read_bytes / (0.8 * (row.bandwidth_bytes_s or 0))
                + 32 * (row.parameters / 6.7e9) ** (1 / 3) * 50_000 / 1.5e9
                + row.parameters / (row.flops_single or 0)
            ),
            prefill_tps=1
            / (
                2 * row.parameters / (0.5 * (row.flops_half or 0))
                + (
                    row.weight_bytes / (0.8 * (row.bandwidth_bytes_s or 0))
                    + 32 * (row.parameters / 6.7e9) ** (1 / 3) * 100_000 / 1.5e9
                )
                / 512
            ),
        )
        for row in shapes()
        if row.platform != "cpu"
    ]


def test_rates_without_noise_are_recovered_on_a_chip_left_out() -> None:
    rows = leave_one_out(exact_rows())
    assert len(rows) == 2 * 7 * 10
    assert max(row.error for row in rows) < 0.08
    assert np.median([row.error for row in rows]) < 0.02
    assert all(row.covered for row in rows)


def test_rates_without_noise_are_recovered_on_the_same_chip() -> None:
    rows = exact_rows()
    fitted = {rate: FittedRate.of(rate, rows) for rate in ("decode", "prefill")}
    for row in rows:
        assert np.median(fitted["decode"].rates(row)) == pytest.approx(row.decode_tps, rel=0.01)
        assert np.median(fitted["prefill"].rates(row)) == pytest.approx(row.prefill_tps, rel=0.01)


def toy_rows() -> list[Observation]:
    """A store of the bundled family: 2 and 7 million weights, on a processor and on a card."""
    chips = [("AMD EPYC, 2 cores", "cpu", 4e10, True), ("RTX 2080 class", "cuda", 4.48e11, False)]
    return [
        Observation(
            group=group,
            platform=platform,
            engine="llamacpp",
            quant=quant,
            weight_bytes=parameters * bits(quant) / 8,
            read_bytes=parameters * bits(quant) / 8,
            parameters=parameters,
            layers=4,
            bandwidth_bytes_s=bandwidth,
            bandwidth_copied=copied,
            cached=copied,
            decode_tps=3000.0 * 7e6 / parameters,
            prefill_tps=30_000.0 * 7e6 / parameters,
        )
        for group, platform, bandwidth, copied in chips
        for parameters in (2e6, 7e6)
        for quant in ("F16", "Q8_0", "Q4_0", "Q4_K_M")
    ]


@pytest.mark.parametrize("name", ["rtx 2080", "m3 max 40", "ddr5-5600"])
def test_toys_neither_move_nor_narrow_what_is_predicted_of_usual_models(name: str) -> None:
    chip, published = find_chip(name), published_observations()
    without, beside = (Predictor.fit(rows) for rows in (published, [*published, *toy_rows()]))
    for rate_kind in ("decode", "prefill"):
        usual, with_toys = (
            predictor.decode(chip, "llamacpp", "Q4_K_M", 4.9e9, parameters=8e9)
            if rate_kind == "decode"
            else predictor.prefill(chip, "llamacpp", "Q4_K_M", 8e9)
            for predictor in (without, beside)
        )
        assert (with_toys.value, with_toys.low, with_toys.high) == (
            usual.value,
            usual.low,
            usual.high,
        )
        assert (with_toys.basis, with_toys.error) == (usual.basis, usual.error)


def test_toys_tell_of_toys() -> None:
    chip = replace(find_chip("rtx 2080"), name="RTX 2080 class")
    size = 7e6 * bits("Q6_K") / 8
    predictor = Predictor.fit([*published_observations(), *toy_rows()])
    near = predictor.decode(chip, "llamacpp", "Q6_K", size, parameters=7e6, layers=4)
    assert near.value == pytest.approx(3000, rel=0.3)


@pytest.mark.parametrize("name", ["rtx 4090", "rtx 3060 12gb", "rtx 2080", "m4 pro 20", "arc b580"])
def test_no_interval_is_narrower_than_its_printed_error(name: str) -> None:
    predictor, chip = Predictor.fit(published_observations()), find_chip(name)
    for parameters in (1.5e9, 8e9, 32e9):
        size = parameters * bits("Q4_K_M") / 8
        decode = predictor.decode(chip, "llamacpp", "Q4_K_M", size, parameters=parameters)
        prefill = predictor.prefill(chip, "llamacpp", "Q4_K_M", parameters)
        assert decode.error.median is not None
        assert decode.high / decode.low >= 0.99 * (1 + decode.error.median) ** (2 * 2.43)
        assert prefill.error.median is not None
        assert prefill.value / prefill.low >= 1 + 1.5 * prefill.error.median


def test_the_error_on_ones_own_machine_is_of_its_other_quants() -> None:
    own = [replace(row, origin="", group="mine") for row in exact_rows()[:10]]
    predictor = Predictor.fit([*published_observations(), *own])
    chip = replace(find_chip("rtx 4090"), name="mine", platform=own[0].platform)
    prediction = predictor.decode(chip, own[0].engine, "Q5_K_M", 5.7e9, parameters=8e9)
    assert "each quant of this hardware class left out" in prediction.basis
    assert all(row.group == "mine" for row in prediction.error.rows)


def test_the_same_observations_give_the_same_draws_in_any_order() -> None:
    world = World(1)
    rows = [world.measure(row) for row in shapes()]
    chip = find_chip("m3 max 40")
    first = Predictor.fit(rows).decode(chip, "llamacpp", "Q4_0", 4e9)
    second = Predictor.fit(rows[::-1]).decode(chip, "llamacpp", "Q4_0", 4e9)
    assert np.array_equal(first.draws, second.draws)
    assert (first.low, first.value, first.high) == (second.low, second.value, second.high)


def test_draws_of_two_models_share_what_is_unknown_of_a_chip() -> None:
    world = World(2)
    predictor = Predictor.fit([world.measure(row) for row in shapes()])
    chip = budget_chip(None, 300e9, "vulkan", "a new card")
    small = predictor.decode(chip, "llamacpp", "Q8_0", 7e9).draws
    large = predictor.decode(chip, "llamacpp", "Q8_0", 14e9).draws
    assert np.corrcoef(np.log(small), np.log(large))[0, 1] > 0.5


def test_more_bytes_are_slower_and_more_bandwidth_is_faster() -> None:
    predictor = Predictor.fit(exact_rows())
    slow, fast = budget_chip(None, 100e9, "cuda", "a"), budget_chip(None, 200e9, "cuda", "b")
    assert (
        predictor.decode(slow, "llamacpp", "Q8_0", 14e9).value
        < predictor.decode(slow, "llamacpp", "Q8_0", 7e9).value
        < predictor.decode(fast, "llamacpp", "Q8_0", 7e9).value
    )


def test_a_platform_that_nobody_measured_is_less_sure() -> None:
    predictor = Predictor.fit(exact_rows())
    measured = predictor.decode(find_chip("3080 10gb"), "llamacpp", "Q4_0", 4e9)
    strange = predictor.decode(find_chip("3080 10gb vulkan"), "llamacpp", "Q4_0", 4e9)
    assert strange.high / strange.low > measured.high / measured.low
    assert "none of them on vulkan" in strange.basis


def test_one_noisy_machine_does_not_widen_the_others() -> None:
    rows = exact_rows()
    rng = np.random.default_rng(5)
    noisy = [
        replace(row, decode_tps=(row.decode_tps or 0) * float(np.exp(0.3 * rng.standard_normal())))
        if row.group == "metal 0"
        else row
        for row in rows
    ]
    fitted = FittedRate.of("decode", noisy)
    assert fitted.group_scatter["metal metal 0"] > 0.15
    assert all(
        extra < 0.05 for group, extra in fitted.group_scatter.items() if group != "metal metal 0"
    )


def test_a_machines_cpu_and_its_card_are_two_devices() -> None:
    group = "one machine"
    card, cpu = budget_chip(None, 1e12, "cuda", group), budget_chip(None, 60e9, "cpu", group)
    rows = [
        Observation(
            group=group,
            platform=chip.platform,
            engine="llamacpp",
            quant=quant,
            weight_bytes=7e9 * bits(quant) / 8,
            read_bytes=7e9 * bits(quant) / 8,
            parameters=7e9,
            bandwidth_bytes_s=chip.bandwidth_bytes_s,
            decode_tps=0.8 * chip.bandwidth_bytes_s / (7e9 * bits(quant) / 8),
            bandwidth_copied=chip is cpu,
        )
        for quant in ("F16", "Q8_0", "Q5_0")
        for chip in (cpu, card)
    ]
    predictor = Predictor.fit(rows)
    for chip in (card, cpu):
        prediction = predictor.decode(chip, "llamacpp", "Q4_0", 4e9, parameters=7e9)
        assert prediction.value == pytest.approx(0.8 * chip.bandwidth_bytes_s / 4e9, rel=0.2)
        assert prediction.high / prediction.low < 2
        assert "decode rates of this hardware class" in prediction.basis


def test_leaving_out_a_machines_card_keeps_its_cpu() -> None:
    rows = [replace(row, group="one machine") for row in exact_rows() if row.group[-1] == "0"]
    assert {row.platform for row in rows} == {"metal", "cuda"}
    assert max(row.error for row in leave_one_out(rows) if row.rate == "decode") < 0.25


def test_a_model_far_from_the_measured_ones_is_less_sure_and_it_is_said() -> None:
    rows = [row for row in exact_rows() if row.model == "6.7e+09"]
    predictor, chip = Predictor.fit(rows), find_chip("4090")
    near = predictor.decode(chip, "llamacpp", "Q4_0", 4e9)
    huge = predictor.decode(chip, "llamacpp", "Q4_0", 400e9)
    assert near.far == ""
    assert "far from" not in near.basis
    assert "of models of 2.34 GiB to 12.5 GiB read for each token (this one is far" in huge.basis
    assert np.log(huge.high / huge.low) > 1.5 * np.log(near.high / near.low)
    small = predictor.prefill(chip, "llamacpp", "Q4_0", 1e9)
    assert small.far == "of models of 6.7B weights (this one is far from them)"


@pytest.mark.parametrize("tokens", [1, 10, 512])
def test_a_prompt_takes_at_least_as_long_as_a_decoded_token(tokens: int) -> None:
    predictor, chip = Predictor.fit(exact_rows()), find_chip("4090")
    step = predictor.decode(chip, "llamacpp", "Q4_0", 1.9e6 * bits("Q4_0") / 8, parameters=1.9e6)
    prompt = predictor.prefill(chip, "llamacpp", "Q4_0", 1.9e6, tokens)
    assert (tokens / prompt.draws >= (1 - 1e-9) / step.draws).all()


def test_prefill_of_an_empty_prompt_is_refused() -> None:
    with pytest.raises(InputError, match="tokens of the prompt 0"):
        Predictor.fit([]).prefill(find_chip("4090"), "llamacpp", "Q4_0", 7e9, 0)


def test_prediction_without_observations_rests_on_data_sheets_and_says_so() -> None:
    prediction = Predictor.fit([]).decode(find_chip("4090"), "llamacpp", "Q4_0", 4e9)
    assert 50 < prediction.low < prediction.value < prediction.high < 400
    assert prediction.error.median is None
    assert "nothing was measured" in prediction.basis


def test_every_prediction_says_that_it_is_one() -> None:
    predictor = Predictor.fit(exact_rows())
    for chip in (
        find_chip("4090"),
        find_chip("arc a770 16gb"),
        budget_chip(None, 1e11, "cuda", "cuda 0"),
    ):
        assert predictor.decode(chip, "llamacpp", "Q4_0", 4e9).basis.startswith("predicted: ")
        assert predictor.prefill(chip, "llamacpp", "Q4_0", 7e9).basis.startswith("predicted: ")


def test_a_mixture_is_slower_than_a_dense_model_of_what_a_token_uses() -> None:
    predictor, chip = Predictor.fit(published_observations()), find_chip("rtx 4090")
    size = {"read_bytes": 3.3e9 * bits("Q4_K_M") / 8, "parameters": 3.3e9}
    dense = predictor.decode(chip, "llamacpp", "Q4_K_M", **size)
    mixture = predictor.decode(chip, "llamacpp", "Q4_K_M", **size, total_parameters=30.5e9)
    whole = predictor.decode(chip, "llamacpp", "Q4_K_M", 18.6e9, parameters=30.5e9)
    assert 2 * whole.value < mixture.value < 0.9 * dense.value
    assert mixture.error.split.startswith("mixtures of experts below 4B active")
    prompt = {"parameters": 3.3e9, "tokens": 512}
    assert (
        predictor.prefill(chip, "llamacpp", "Q4_K_M", **prompt, total_parameters=30.5e9).value
        < 0.7 * predictor.prefill(chip, "llamacpp", "Q4_K_M", **prompt).value
    )


def test_what_was_never_tried_is_less_sure() -> None:
    predictor = Predictor.fit(published_observations())

    def width(name: str) -> float:
        rate = predictor.decode(find_chip(name), "llamacpp", "Q4_K_M", 4.9e9, parameters=8e9)
        return rate.high / rate.low

    measured, generation, platform = (
        width(name) for name in ("rtx 2080", "gtx 1080 ti", "rx 9070 xt vulkan")
    )
    assert measured < generation < platform
    assert measured < 2


def test_devices_that_compute_in_turn_add_their_times() -> None:
    predictor = Predictor.fit(published_observations())
    card, memory = find_chip("rtx 3090"), find_chip("ddr5-5600")
    half = {"read_bytes": 2.45e9, "parameters": 4e9, "layers": 16}
    shares = [DeviceShare(chip=chip, **half) for chip in (card, memory)]
    together = predict_split(predictor, "llamacpp", "Q4_K_M", shares, crossings=2)
    alone = [
        predictor.decode(chip, "llamacpp", "Q4_K_M", 2.45e9, parameters=4e9, layers=16).value
        for chip in (card, memory)
    ]
    assert together.value == pytest.approx(1 / (1 / alone[0] + 1 / alone[1] + 1e-4), rel=0.05)
    assert together.low < together.value < together.high
    assert "nobody measured together" in together.basis
    many = predict_split(predictor, "llamacpp", "Q4_K_M", shares, crossings=200)
    assert many.value < 0.95 * together.value


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf")])
def test_a_share_without_bytes_is_refused(wrong: float) -> None:
    share = DeviceShare(chip=find_chip("4090"), read_bytes=wrong, parameters=1e9, layers=8)
    with pytest.raises(InputError, match="read bytes"):
        predict_split(Predictor.fit([]), "llamacpp", "Q4_0", [share], crossings=0)


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf")])
def test_sizes_must_be_above_zero(wrong: float) -> None:
    predictor = Predictor.fit([])
    with pytest.raises(InputError, match="bytes read for each token"):
        predictor.decode(find_chip("4090"), "llamacpp", "Q4_0", wrong)
    with pytest.raises(InputError, match="parameters"):
        predictor.prefill(find_chip("4090"), "llamacpp", "Q4_0", wrong)
    with pytest.raises(InputError, match="decode tps"):
        replace(shapes()[0], decode_tps=wrong)


def test_quants_have_families_and_bits() -> None:
    named = {"BF16": SIXTEEN, "Q4_0": LEGACY, "Q4_K_M": K_HIGH, "Q3_K_S": K_LOW, "IQ2_XS": I_LOW}
    assert {quant: family(quant) for quant in named} == named
    assert family("awq") == family("q4-g32") == family("MXFP4") == GROUPED
    assert family("UD-Q4_K_XL") == K_HIGH
    assert bits("UD-Q4_K_XL") == bits("Q4_K_L") == pytest.approx(bits("Q4_K_M") + 0.1)
    assert bits("Q6_K_L") == pytest.approx(bits("Q6_K") + 0.1)
    assert (bits("q4-g32"), bits("q4-g64"), bits("MXFP4")) == (5.0, 4.5, 4.5)
    assert (bits("F16"), bits("q8_0"), bits("torchao-int4")) == (16, 8.5, 4.5)
