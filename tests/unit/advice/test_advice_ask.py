"""Asks and the machines they mean: a bad ask is one sentence."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from grid.advice import Ask, uses
from grid.advice.hardware import class_facts, machine_of
from grid.analysis.dataset import HardwareClass
from grid.cli.recommend import OPTIONS, read_ask
from grid.errors import InputError
from grid.units import GIB

CPU = "AMD EPYC, 2 cores, 24 GiB, 32-64 GB/s"
CARD = "Intel Core i9-14900K, 24 cores, 1x NVIDIA GeForce RTX 4090 24 GiB, 64 GiB, 32-64 GB/s"
MAC = "Apple M2 Max, 12 cores, 1x Apple M2 Max GPU 21.3 GiB, 32 GiB, 256-512 GB/s"


def measured(name: str, kind: str, *origins: str) -> HardwareClass:
    return HardwareClass(
        name=name,
        device_kind=kind,
        attempts=1,
        ok=1,
        failed=0,
        models=("m",),
        origins=origins or ("",),
        newest=None,
    )


CLASSES = [measured(CPU, "cpu-avx2"), measured(CARD, "cuda-sm89"), measured(MAC, "metal-m2")]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"context": 0}, "context is 0; give a number above 0"),
        ({"prompt": -5}, "prompt is -5; give a number above 0"),
        ({"context": 10**30}, "give at most 1,000,000,000"),
        ({"prompt": 2**64}, "give at most 1,000,000,000"),
        ({"min_decode_tps": float("nan")}, "least decode rate is nan; give a number above 0"),
        ({"memory_bytes": 0.0}, "memory is 0; give a number above 0"),
        ({"reserved_bytes": -1.0}, "the memory left to others is below 0"),
        ({"min_share": 95.0}, "give a share of the 16-bit capability, such as 0.95"),
        ({"kv_type": "q8"}, "unknown KV type 'q8'. Did you mean 'q8_0'"),
        ({"use": "cod"}, "unknown use 'cod'. Did you mean 'code'"),
        ({"hardware": "a", "chip": "b"}, "say one of --hardware, --chip"),
        ({"chip": "b", "bandwidth_bytes_s": 1e9}, "a chip has its own bandwidth"),
        ({"hardware": "b", "bandwidth_bytes_s": 1e9}, "a measured class has its speed"),
        ({"bandwidth_bytes_s": 1e9}, "a bandwidth alone is no machine"),
    ],
)
def test_ask_rejects_contradicting_or_impossible_fields(
    fields: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError) as error:
        Ask(**fields)  # type: ignore[arg-type]
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memory_bytes": "lots"}, "--memory: 'lots' is not a size"),
        ({"bandwidth_bytes_s": "fast", "memory_bytes": "1GB"}, "--bandwidth: 'fast' is not a size"),
        ({"max_ttft_s": "soon"}, "--max-ttft: 'soon' is not a duration"),
        ({"min_decode_tps": "quick"}, "--min-decode: 'quick' is neither a rate in token/s nor one"),
        ({"min_share": "most"}, "--min-share: 'most' is not a number"),
        ({"weights": "math"}, "--weights: 'math' is not CLASS=NUMBER"),
        ({"max_bytes": "-1"}, "--max-size: '-1' is not a size"),
        ({"quant": ["Q8_0", "Q6_K"]}, "--quant: an answer is about one, not Q8_0, Q6_K"),
        ({"model": ["large,small"]}, "--model: an answer is about one, not large, small"),
    ],
)
def test_an_option_that_cannot_be_read_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        read_ask(**options)
    assert str(error.value).startswith(message)


def test_every_field_of_an_ask_has_an_option_with_its_default() -> None:
    fields = {field.name for field in dataclasses.fields(Ask)}
    assert set(OPTIONS) == fields
    defaults = {name: option.default for name, option in OPTIONS.items()}
    assert read_ask(**defaults) == Ask()


def test_options_are_read_in_the_units_that_people_write() -> None:
    ask = read_ask(
        memory_bytes="24GiB", bandwidth_bytes_s="1008GB/s", max_ttft_s="500ms", min_share="95%",
        min_decode_tps="interactive", weights="math=2, code=1", max_bytes="8GB",
    )  # fmt: skip
    assert ask.memory_bytes == 24 * GIB
    assert ask.bandwidth_bytes_s == 1008e9
    assert ask.max_ttft_s == 0.5
    assert ask.min_share == 0.95
    assert ask.min_decode_tps == 10
    assert ask.weights == {"math": 2, "code": 1}
    assert ask.max_bytes == 8e9


def test_every_use_weighs_task_classes_above_zero() -> None:
    assert set(uses()) == {"balanced", "chat", "code", "math", "reasoning", "recall"}
    assert all(weight > 0 for of in uses().values() for weight in of.values())


def test_a_class_name_says_chip_cards_and_memory() -> None:
    facts = class_facts(CARD)
    assert facts is not None
    assert (facts.card, facts.cards, facts.card_bytes) == ("NVIDIA GeForce RTX 4090", 1, 24 * GIB)
    assert facts.memory_bytes == 64 * GIB
    plain = class_facts(CPU)
    assert plain is not None
    assert (plain.card, plain.chip, plain.bucket) == (None, "AMD EPYC", "32-64 GB/s")


def test_class_facts_are_none_for_a_name_of_another_form() -> None:
    assert class_facts("RTX 4090 [llama-bench]") is None


@pytest.mark.parametrize(
    ("name", "other_name", "alike"),
    [
        (CPU, CPU.replace("24 GiB", "64 GiB"), True),
        (CPU, CPU.replace("32-64", "64-128"), False),
        (CPU, CPU.replace("2 cores", "4 cores"), False),
        (CARD, CARD.replace("i9-14900K, 24", "i5-13400, 10"), True),
        (CARD, CARD.replace("1x", "2x"), False),
        (CARD, CPU, False),
    ],
)
def test_classes_share_speed_where_cards_or_chip_cores_and_bandwidth_agree(
    name: str, other_name: str, alike: bool
) -> None:
    first, second = class_facts(name), class_facts(other_name)
    assert first is not None
    assert second is not None
    assert first.same_speed_as(second) is alike


def test_part_of_a_class_name_selects_the_machine() -> None:
    machine = machine_of(CLASSES, Ask(hardware="rtx 4090"))
    assert machine.name == CARD
    assert machine.platform == "cuda"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hardware": "cores"}, "'cores' is in the name of 3 machines"),
        ({"hardware": "EPYX, 2 cores, 24 GiB, 32-64 GB/s"}, "Did you mean"),
        ({}, "say which machine: --hardware with a part of its name"),
        ({"chip": "RTX 9999 Hyper"}, "no chip 'RTX 9999 Hyper'"),
        ({"chip": "M2 Max"}, "say which: Apple M2 Max (30)"),
    ],
)
def test_ambiguous_or_unknown_machine_is_one_line(fields: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as error:
        machine_of(CLASSES, Ask(**fields))  # type: ignore[arg-type]
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_empty_store_names_the_command_that_fills_it() -> None:
    with pytest.raises(InputError, match="`grid sweep` fills it"):
        machine_of([], Ask())


def test_measured_class_is_preferred_to_an_imported_one() -> None:
    classes = [measured(CPU, "cpu-avx2"), measured("box [a table]", "", "a table")]
    assert machine_of(classes, Ask()).name == CPU


def test_desktop_reserves_part_of_a_cards_memory() -> None:
    machine = machine_of(CLASSES, Ask(hardware="4090"))
    assert machine.budget_bytes is not None
    assert 23 * GIB < machine.budget_bytes < 24 * GIB
    assert "24 GiB" in machine.budget_why


def test_a_macs_memory_is_its_own_less_what_the_system_keeps() -> None:
    machine = machine_of(CLASSES, Ask(hardware="M2"))
    assert machine.budget_bytes == pytest.approx(32 * GIB * 2 / 3, rel=0.01)
    assert "macOS" in machine.budget_why


def test_reserved_bytes_replace_the_assumed_reserve() -> None:
    machine = machine_of(CLASSES, Ask(hardware="EPYC", reserved_bytes=10 * GIB))
    assert machine.budget_bytes == 14 * GIB


@pytest.mark.parametrize(("bandwidth", "platform"), [(1008e9, "cuda"), (80e9, "cpu")])
def test_a_bare_budget_says_which_platform_it_is_taken_for(bandwidth: float, platform: str) -> None:
    machine = machine_of([], Ask(memory_bytes=24 * GIB, bandwidth_bytes_s=bandwidth))
    assert machine.platform == platform
    assert machine.notes == (
        f"platform {platform}, taken from its bandwidth; --platform says otherwise",
    )


def test_the_document_has_the_weights_of_every_use() -> None:
    text = (Path(__file__).parents[3] / "docs" / "advice.md").read_text()
    for name, weights in uses().items():
        cell = ", ".join(f"{task} {weight:g}" for task, weight in weights.items()) or "all alike"
        assert f"| {name} | {cell} |" in text
