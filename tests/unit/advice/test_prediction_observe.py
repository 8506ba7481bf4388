"""Observations in the user's own rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grid.advice.prediction import (
    Predictor,
    chip_of,
    leave_one_out,
    mixture_unknown,
    observations_of,
    published_observations,
    read_bytes_of,
)
from grid.advice.prediction.quants import bits
from grid.analysis.variant import Speed, Variant
from grid.models.model import LayerState
from grid.results.statistics import Interval

CPU = "AMD EPYC, 2 cores, 24 GiB, 32-64 GB/s"
MAC = "Apple M2 Ultra, 24 cores, 1x Apple M2 Ultra 96 GiB, 128 GiB, 256-512 GB/s"
CARD = "AMD Ryzen 9, 16 cores, 2x NVIDIA GeForce RTX 3090 24 GiB, 64 GiB, 32-64 GB/s"


def variant(quant: str = "Q4_0", parameters: int = 10**9, **changes: object) -> Variant:
    size = int(parameters * bits(quant) / 8)
    rate = 40e9 * 0.7 / size
    base = Variant(
        model=f"m{parameters}",
        family="llama",
        parameters=parameters,
        quant=quant,
        format="gguf",
        artifact_id=f"{parameters} {quant}",
        artifact_bytes=size,
        bpw_file=None,
        bpw_layer=None,
        backend="llamacpp",
        options="{}",
        hardware_class=CPU,
        device_kind="cpu-avx512-vnni",
        decode={0: speed(rate)},
        prefill={0: speed(20 * rate)},
        bandwidth_bytes_s=40e9,
        llc_bytes=32e6,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def speed(rate: float) -> Speed:
    return Speed(Interval(rate), np.array([rate]), 64, 0)


def test_a_variant_with_a_rate_is_an_observation() -> None:
    row = observations_of([variant()])[0]
    assert (row.group, row.platform, row.engine, row.quant) == (CPU, "cpu", "llamacpp", "Q4_0")
    assert (row.bandwidth_bytes_s, row.bandwidth_copied, row.cached) == (40e9, True, False)
    assert row.decode_tps == pytest.approx(40e9 * 0.7 / variant().artifact_bytes)


def test_weights_within_the_last_level_cache_are_marked_cached() -> None:
    assert observations_of([variant(parameters=10**7)])[0].cached


@pytest.mark.parametrize(
    "without",
    [{"decode": {}, "prefill": {}}, {"artifact_bytes": 0}, {"parameters": 0}],
)
def test_variant_without_a_rate_or_a_size_is_no_observation(without: dict[str, object]) -> None:
    assert observations_of([replace(variant(), **without)]) == []  # type: ignore[arg-type]


def test_a_cards_bandwidth_is_the_catalogues_not_that_of_the_main_memory() -> None:
    row = observations_of([variant(hardware_class=CARD, device_kind="cuda-sm86")])[0]
    assert row.platform == "cuda"
    assert row.bandwidth_bytes_s == pytest.approx(936e9, rel=0.01)
    assert not row.bandwidth_copied


def test_a_mac_is_found_by_its_class() -> None:
    chip = chip_of(variant(hardware_class=MAC, device_kind="metal"))
    assert (chip.name, chip.platform, chip.bandwidth_bytes_s) == (MAC, "metal", 800e9)


def test_a_card_that_no_catalogue_knows_has_no_bandwidth() -> None:
    strange = CARD.replace("GeForce RTX 3090", "Bespoke X")
    row = observations_of([variant(hardware_class=strange, device_kind="cuda-sm99")])[0]
    assert row.bandwidth_bytes_s is None


def test_an_imported_class_is_found_without_its_origin() -> None:
    imported = "NVIDIA RTX 4090 [llama.cpp discussions]"
    chip = chip_of(variant(hardware_class=imported, device_kind="", origin="llama.cpp discussions"))
    assert chip.platform == "cuda"
    assert chip.bandwidth_bytes_s == pytest.approx(1008e9, rel=0.01)


def test_other_tools_names_of_an_engine_are_one_engine() -> None:
    rows = observations_of([variant(), variant(backend="llama.cpp")])
    assert {row.engine for row in rows} == {"llamacpp"}


def test_imported_rows_of_the_bundled_tables_are_not_counted_twice() -> None:
    origin = published_observations()[0].origin
    row = variant(hardware_class=f"Apple M1 Max (32) [{origin}]", device_kind="", origin=origin)
    assert observations_of([row]) == []
    assert chip_of(row).name == "Apple M1 Max (32)"


def test_a_token_reads_the_weights_and_what_is_cached_of_the_context() -> None:
    plain = variant(layers=(LayerState(key=512, value=512),) * 10)
    assert read_bytes_of(plain) == plain.artifact_bytes
    assert read_bytes_of(plain, 1000) == plain.artifact_bytes + 1000 * 10 * 1024 * 2
    stored = variant(kv_bytes=Interval(4096.0), memory_context=4)
    assert read_bytes_of(stored, 10) == stored.artifact_bytes + 10 * 1024


def test_a_layer_with_a_sliding_window_reads_no_more_tokens_than_that() -> None:
    sliding = variant(layers=(LayerState(key=512, value=512, window=100),) * 10)
    assert read_bytes_of(sliding, 50) == sliding.artifact_bytes + 50 * 10 * 1024 * 2
    assert read_bytes_of(sliding, 1000) == sliding.artifact_bytes + 100 * 10 * 1024 * 2


@pytest.mark.parametrize("name", ["some-moe", "granitemoehybrid", "llama4-of-someone"])
def test_a_mixture_of_which_nothing_tells_what_a_token_uses_is_left_out(name: str) -> None:
    mixture = variant(model=name)
    assert mixture_unknown(mixture)
    assert observations_of([mixture, variant()]) == observations_of([variant()])


def test_a_mixture_is_observed_with_what_a_token_uses() -> None:
    mixture = variant(model="Qwen3-30B-A3B", parameters=30 * 10**9, active_parameters=3 * 10**9)
    row = observations_of([mixture])[0]
    assert row.mixture
    assert (row.parameters, row.total_parameters) == (3e9, 30e9)
    assert row.read_bytes == pytest.approx(mixture.artifact_bytes / 10)
    assert not observations_of([variant()])[0].mixture


def test_a_machines_cpu_and_card_are_predicted_apart() -> None:
    quants = ("F16", "Q8_0", "Q5_0")
    fast = speed(400.0)
    cpu = [variant(quant, hardware_class=CARD) for quant in quants]
    card = [
        variant(quant, hardware_class=CARD, device_kind="cuda-sm86", decode={0: fast})
        for quant in quants
    ]
    predictor = Predictor.fit([*published_observations(), *observations_of([*cpu, *card])])
    own = predictor.decode(chip_of(card[0]), "llamacpp", "Q4_0", 5.7e8, parameters=1e9)
    slow = predictor.decode(chip_of(cpu[0]), "llamacpp", "Q4_0", 5.7e8, parameters=1e9)
    assert own.value > 200
    assert slow.value == pytest.approx(40e9 * 0.7 / 5.7e8, rel=0.3)


def test_a_quant_left_out_of_ones_own_rows_is_predicted_from_the_others() -> None:
    quants = ("F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0")
    own = [variant(quant, size) for quant in quants for size in (10**9, 3 * 10**9)]
    rows = leave_one_out(observations_of(own), "quant")
    assert len(rows) == 2 * len(own)
    assert np.median([row.error for row in rows if row.rate == "decode"]) < 0.1
    assert np.mean([row.covered for row in rows]) >= 0.85


def test_a_measured_class_is_predicted_as_that_class() -> None:
    own = [variant(quant) for quant in ("F16", "Q8_0", "Q4_0")]
    prediction = Predictor.fit(observations_of(own)).decode(
        chip_of(own[0]), "llamacpp", "Q5_0", 6.9e8
    )
    assert prediction.low < 40e9 * 0.7 / 6.9e8 < prediction.high
    assert "of this hardware class" in prediction.basis
