"""Advice on a card with main memory beside it: what lies where, how fast that is, how it is run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from advice_cases import write_store
from mixture_cases import rows_of

from grid.advice import Advice, Ask, recommend
from grid.advice.for_model import choose_hardware, find_target
from grid.advice.to_json import to_data
from grid.analysis.dataset import Dataset
from grid.errors import InputError
from grid.units import GIB

CARD = "RTX 3060 12 GB"


@pytest.fixture(scope="module")
def mixtures(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write_store(rows_of("Qwen3-30B-A3B"), tmp_path_factory.mktemp("mixtures") / "rows")


def ask(**fields: Any) -> Ask:
    return Ask(**{"chip": CARD, "context": 8192, "quant": "Q4_K_M", **fields})


def run_on(advice: Advice) -> Any:
    assert advice.pick is not None, advice.rejected
    return advice.pick


def test_30b_a3b_on_12_gb_and_64_gb_keeps_experts_in_main_memory(mixtures: Dataset) -> None:
    pick = run_on(recommend(mixtures, ask(ram_bytes=64 * GIB)))
    split = pick.split
    assert split.placement.gpu_layers == -1
    assert 15 <= split.placement.cpu_expert_layers <= 30
    assert split.card_bytes <= 12 * GIB
    assert pick.figures["memory"].value == split.card_bytes
    assert f"llama-server --n-cpu-moe {split.placement.cpu_expert_layers}" in split.text
    decode = pick.figures["decode rate"]
    assert decode.evidence.kind == "predicted"
    assert 15 < decode.value < 90


def test_without_main_memory_it_does_not_fit_the_card(mixtures: Dataset) -> None:
    advice = recommend(mixtures, ask())
    assert advice.pick is None
    assert "memory" in advice.rejected[0].reason
    assert any("--ram 64GiB" in note for note in advice.notes)
    on_cpu = recommend(mixtures, ask(chip="DDR4-3200", memory_bytes=8 * GIB))
    assert not any("--ram" in note for note in on_cpu.notes)


def test_all_on_a_larger_card_is_not_split(mixtures: Dataset) -> None:
    pick = run_on(recommend(mixtures, ask(chip="RTX 4090", ram_bytes=64 * GIB)))
    assert pick.split is None


def test_less_room_on_the_card_is_slower(mixtures: Dataset) -> None:
    rates, layers = [], []
    for room in (18, 12, 8, 6):
        reserved = (24 - room) * GIB
        pick = run_on(
            recommend(mixtures, ask(chip="RTX 3090", ram_bytes=64 * GIB, reserved_bytes=reserved))
        )
        rates.append(pick.figures["decode rate"].value)
        layers.append(pick.split.placement.cpu_expert_layers)
    assert rates == sorted(rates, reverse=True)
    assert layers == sorted(layers)


def test_faster_main_memory_is_faster(mixtures: Dataset) -> None:
    slow, fast = (
        run_on(recommend(mixtures, ask(ram_bytes=64 * GIB, cpu=cpu))).figures["decode rate"].value
        for cpu in ("DDR4-2400", "DDR5-6000")
    )
    assert fast > 1.2 * slow


def test_main_memory_too_small_for_the_rest_fits_nothing(mixtures: Dataset) -> None:
    assert recommend(mixtures, ask(ram_bytes=4 * GIB)).pick is None


def test_a_long_prompt_waits_for_copies_of_the_experts(mixtures: Dataset) -> None:
    split, whole = (
        run_on(recommend(mixtures, ask(chip=chip, ram_bytes=64 * GIB, prompt=4096)))
        for chip in (CARD, "RTX 4090")
    )
    assert split.figures["time to first token"].value > whole.figures["time to first token"].value


def test_a_dense_model_leaves_layers_and_a_header_is_not_needed(tmp_path: Path) -> None:
    """Its parts are those of the public model of its name."""
    rows = rows_of("Qwen3-32B", {"F16": 95, "Q4_K_M": 93}, headers=False)
    advice = recommend(write_store(rows, tmp_path / "rows"), ask(ram_bytes=64 * GIB))
    split = run_on(advice).split
    assert 0 < split.placement.gpu_layers < 65
    assert split.placement.cpu_expert_layers == 0
    assert split.cpu_layers == 65 - split.placement.gpu_layers
    assert f"{split.cpu_layers} of 64 layers in main memory" in split.text
    assert f"-ngl {split.placement.gpu_layers}" in split.flags


def test_the_command_that_runs_it_has_the_placement(mixtures: Dataset) -> None:
    advice = recommend(mixtures, ask(ram_bytes=64 * GIB))
    assert advice.serving is not None
    command = advice.serving.command("llama-server")
    assert command is not None
    experts = run_on(advice).split.placement.cpu_expert_layers
    assert f"--n-cpu-moe {experts}" in command.text(200)
    assert "-ngl 999" in command.text(200)


def test_placement_is_data_for_machines(mixtures: Dataset) -> None:
    data = json.loads(json.dumps(to_data(recommend(mixtures, ask(ram_bytes=64 * GIB)))))
    placement = data["pick"]["placement"]
    assert placement["gpu_layers"] == -1
    assert placement["flags"] == f"--n-cpu-moe {placement['cpu_expert_layers']}"
    assert placement["card_bytes"] + placement["main_bytes"] > data["pick"]["weights_bytes"]


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"cpu": "DDR5-5600"}, "say --ram 64GiB too"),
        ({"ram_bytes": 64 * GIB, "cpu": "RTX 4090"}, "no processor; name one, or its memory"),
        ({"ram_bytes": 64 * GIB, "chip": "M2 Max 38-core", "memory_bytes": 32 * GIB},
         "no memory of its own beside the main memory"),
        ({"ram_bytes": -1.0}, "main memory beside the card is -1"),
    ],
)  # fmt: skip
def test_main_memory_that_cannot_be_is_one_line(
    mixtures: Dataset, fields: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint) as error:
        recommend(mixtures, ask(**fields))
    assert "\n" not in str(error.value)


def test_a_measured_split_needs_of_the_card_what_it_placed_there(tmp_path: Path) -> None:
    """Its rate is the measured one, and its memory not that of the whole model."""
    card = (
        "AMD Ryzen 9 5950X 16-Core, 16 cores, 1x NVIDIA GeForce RTX 3060 12 GiB, 64 GiB, 32-64 GB/s"
    )
    options = '{"cpu_expert_layers": 30, "gpu_layers": -1}'
    rows = rows_of("Qwen3-30B-A3B", {"Q4_K_M": 93})
    place = {"hardware_class": card, "device_kind": "cuda-sm86", "options": options}
    rows.rows["attempts"][0] |= place
    first = dict(rows.rows["attempts"][0])
    keep = ("quant", "artifact_id", "model", "family", "parameters", "artifact_bytes", "kv_cache",
            "origin", "context_length", "experts", "experts_used", "weight_parts", "options",
            "hardware_class", "device_kind")  # fmt: skip
    rows.decode([100 / 31.0] * 5, **{name: first[name] for name in keep})
    advice = recommend(write_store(rows, tmp_path / "rows"), Ask(hardware="RTX 3060", context=8192))
    pick = run_on(advice)
    assert pick.split.placement.cpu_expert_layers == 30
    assert pick.figures["memory"].value == pick.split.card_bytes < 12 * GIB
    assert pick.figures["decode rate"].value == pytest.approx(31.0, rel=0.01)
    assert pick.figures["decode rate"].evidence.kind == "measured here"


def on_card(mixtures: Dataset, size: str) -> Any:
    """What the card and main memory beside it make of a model of which the size alone is known."""
    question = ask(ram_bytes=64 * GIB)
    target = find_target(size, "Q4_K_M")
    (verdict,) = choose_hardware(mixtures, target, question).verdicts
    return verdict


@pytest.mark.parametrize(
    ("size", "like"), [("30B-A3B", "Qwen3-30B-A3B"), ("32B", "Qwen2.5-32B or Qwen3-32B")]
)
def test_hardware_for_a_size_alone_is_divided_as_the_nearest_public_model(
    mixtures: Dataset, size: str, like: str
) -> None:
    verdict = on_card(mixtures, size)
    assert verdict.split.like in like.split(" or ")
    assert verdict.split.text.endswith(f"divided as {verdict.split.like} is")
    assert verdict.decode.value > 1


def test_a_size_unlike_any_public_model_is_not_placed_by_a_guess(mixtures: Dataset) -> None:
    assert on_card(mixtures, "60B-A2B").split is None
