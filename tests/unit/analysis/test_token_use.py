"""What variants say of the model's experts, and the bytes that a token reads."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from grid.analysis import Variant, variants_table
from grid.analysis.dataset import Dataset
from grid.analysis.token_use import token_use

DATA = Path(__file__).parents[2] / "data"


def mixture(tmp_path: Path) -> Variant:
    """That of the frozen store: 2 of 8 experts in its second layer."""
    shutil.copytree(DATA / "results-v4", tmp_path / "store")
    dataset = Dataset(tmp_path / "store")
    (variant,) = dataset.variants(dataset.classes[0].name)
    return variant


def test_variants_have_the_experts_and_bytes_of_their_rows(tmp_path: Path) -> None:
    variant = mixture(tmp_path)
    assert variant.experts is not None
    assert (variant.experts.count, variant.experts.used, variant.experts.shared) == (8, 2, 1)
    assert (variant.active_parameters, variant.parameters_from) == (700_000, "header")
    assert variant.is_mixture
    assert variant.read_weight_bytes == 90_000 + 60_000 + 150_000 + 450_000 / 4


def test_without_bytes_by_part_a_mixture_reads_its_share_of_parameters(tmp_path: Path) -> None:
    variant = replace(mixture(tmp_path), weight_parts=None)
    assert variant.read_weight_bytes == pytest.approx(900_000 * 700_000 / 1_500_000)
    assert replace(variant, active_parameters=None).read_weight_bytes is None
    dense = replace(variant, experts=None, active_parameters=None)
    assert dense.read_weight_bytes == 900_000


def test_a_mixture_known_by_name_alone_is_marked_so(tmp_path: Path) -> None:
    row = {"model": "Qwen3-30B-A3B", "family": "qwen3moe", "active_parameters": None}
    use = token_use(row)
    assert (use["active_parameters"], use["parameters_from"]) == (3_300_000_000, "name")
    assert token_use({**row, "model": "Llama-3.1-8B", "family": "llama"}) == {
        "active_parameters": None, "parameters_from": "", "experts": None, "weight_parts": None,
    }  # fmt: skip


def test_exported_variants_say_active_parameters_and_experts(tmp_path: Path) -> None:
    (row,) = variants_table([mixture(tmp_path)]).to_pylist()
    names = ("active_parameters", "parameters_from", "experts", "experts_used", "shared_experts")
    assert [row[name] for name in names] == [700_000, "header", 8, 2, 1]
    dense = replace(mixture(tmp_path / "second"), experts=None)
    assert variants_table([dense]).to_pylist()[0]["experts"] is None


@pytest.mark.parametrize(
    ("options", "kind", "split"),
    [
        ('{"gpu_layers": -1}', "cuda-sm86", False),
        ('{"gpu_layers": 99}', "cuda-sm86", False),
        ('{"gpu_layers": 3}', "cuda-sm86", False),
        ('{"gpu_layers": 2}', "cuda-sm86", True),
        ('{"gpu_layers": -1, "cpu_expert_layers": 4}', "cuda-sm86", True),
        ('{"tensor_overrides": "exps=CPU"}', "rocm-gfx1100", True),
        ('{"cpu_expert_layers": 4}', "cpu-avx2", False),
        ("", "cuda-sm86", False),
    ],
)
def test_a_part_in_main_memory_beside_a_card_is_a_split(
    tmp_path: Path, options: str, kind: str, split: bool
) -> None:
    """Of two layers and the head."""
    variant = replace(mixture(tmp_path), options=options, device_kind=kind)
    assert variant.is_split is split
