"""Bytes on a card and in main memory under a placement, and the placement that fits."""

from __future__ import annotations

import pytest

from grid.models.gguf.inventory_config import from_config
from grid.models.gguf.weight_roles import summary_of_inventory
from grid.models.placement import PlacedBytes, Placement, best_placement, place
from grid.models.weight_parts import LayerBytes, WeightParts
from grid.units import GIB

MIXED = WeightParts(
    layers=(LayerBytes(30), LayerBytes(10, 90), LayerBytes(10, 90), LayerBytes(10, 90)),
    output=20,
    lookup=25,
)
CACHE = (4, 4, 4, 4)
"""One dense layer before three of experts."""


def test_all_on_the_card_leaves_the_looked_up_table_in_main_memory() -> None:
    placed = place(MIXED, CACHE, Placement(), expert_share=1 / 3)
    assert placed == PlacedBytes(350, 25, 16, 0, 60 + 20 + 16 + 90, 0, 0)


def test_experts_of_first_layers_stay_in_main_memory_without_their_cache() -> None:
    """Two first layers: the dense one has no experts to leave out."""
    placed = place(MIXED, CACHE, Placement(cpu_expert_layers=2), expert_share=1 / 3)
    assert (placed.device_weights, placed.host_weights) == (260, 115)
    assert (placed.device_cache, placed.host_cache) == (16, 0)
    assert (placed.device_read, placed.host_read) == (60 + 20 + 16 + 60, 30)
    assert placed.staging == 60


def test_the_head_is_the_first_on_the_card_then_the_last_layers() -> None:
    placed = place(MIXED, CACHE, Placement(gpu_layers=1))
    assert (placed.device_weights, placed.host_cache) == (20, 16)
    placed = place(MIXED, CACHE, Placement(gpu_layers=3))
    assert placed.device_weights == 20 + 2 * 100
    assert (placed.device_cache, placed.host_cache) == (8, 8)
    assert place(MIXED, CACHE, Placement(gpu_layers=5)) == place(MIXED, CACHE, Placement())


def test_on_the_cpu_alone_nothing_is_on_a_card() -> None:
    placed = place(MIXED, CACHE, Placement(gpu_layers=0))
    assert (placed.device, placed.device_read) == (0, 0)
    assert placed.host == 350 + 25 + 16


def test_a_tied_embedding_is_on_the_card_as_head_and_in_main_memory_as_table() -> None:
    tied = WeightParts(layers=MIXED.layers, output=20, tied=True)
    placed = place(tied, CACHE, Placement())
    assert (placed.device_weights, placed.host_weights) == (350, 20)
    assert place(tied, CACHE, Placement(gpu_layers=0)).host_weights == 350


def test_cache_of_unknown_layers_is_spread_evenly() -> None:
    assert place(MIXED, [16], Placement(gpu_layers=3)).host_cache == 8


@pytest.mark.parametrize(
    ("card", "placement"),
    [
        (366, Placement()),
        (365, Placement(cpu_expert_layers=2)),
        (366 - 90 + 60, Placement(cpu_expert_layers=2)),
        (366 - 90 + 60 - 1, Placement(cpu_expert_layers=3)),
        (366 - 270 + 60, Placement(cpu_expert_layers=4)),
        (366 - 270 + 60 - 1, Placement(gpu_layers=4, cpu_expert_layers=4)),
        (20 + 14 + 60, Placement(gpu_layers=2, cpu_expert_layers=4)),
        (19, Placement(gpu_layers=0)),
    ],
)
def test_the_fewest_experts_leave_the_card_then_layers(card: int, placement: Placement) -> None:
    assert best_placement(MIXED, CACHE, card, 10_000) == placement


def test_dense_models_lose_layers_from_the_first_on() -> None:
    dense = WeightParts(layers=(LayerBytes(100),) * 4, output=20)
    assert best_placement(dense, CACHE, 235, 10_000) == Placement(gpu_layers=3)


def test_overheads_count_on_both_sides_and_main_memory_must_hold_the_rest() -> None:
    assert best_placement(MIXED, CACHE, 376, 1000, device_overhead=10) == Placement()
    assert best_placement(MIXED, CACHE, 375, 1000, device_overhead=10) != Placement()
    assert best_placement(MIXED, CACHE, 100, 100) is None
    assert best_placement(MIXED, CACHE, 0, 391 + 5, host_overhead=5) == Placement(gpu_layers=0)
    assert best_placement(MIXED, CACHE, 0, 391 + 4, host_overhead=5) is None


def test_qwen3_30b_a3b_on_12_gib_leaves_experts_of_half_its_layers() -> None:
    """At about 4.85 bits 17.3 GiB of weights; the rest of a 12 GiB card's 11 goes to experts."""
    config = {
        "model_type": "qwen3_moe", "hidden_size": 2048, "intermediate_size": 6144,
        "moe_intermediate_size": 768, "num_hidden_layers": 48, "num_attention_heads": 32,
        "num_key_value_heads": 4, "head_dim": 128, "vocab_size": 151936, "num_experts": 128,
        "num_experts_per_tok": 8,
    }  # fmt: skip
    parts = summary_of_inventory(*from_config(config)).parts.scaled(4.85 / 16)
    cache = [8192 * 2 * 4 * 128 * 2] * 48
    placement = best_placement(parts, cache, 11 * GIB, 60 * GIB, device_overhead=GIB // 2)
    assert placement is not None
    assert placement.gpu_layers == -1
    assert 18 <= placement.cpu_expert_layers <= 26
    placed = place(parts, cache, placement, 8 / 128)
    assert placed.device + GIB // 2 <= 11 * GIB < placed.device + GIB // 2 + parts.layers[0].experts
    assert placed.host_read < 0.35 * placed.device_read
