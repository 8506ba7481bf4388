"""Sizes that names of mixtures tell, tried on strangers' tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from grid.models.named_sizes import NamedSize, mixture_size, names_mixture

ROWS = Path(__file__).parents[4] / "shared/published/community-speed-rows.json"


@pytest.mark.parametrize(
    ("name", "total", "active"),
    [
        ("Qwen3-Coder-30B-A3B-Instruct", 30.5, 3.3),
        ("Qwen_Qwen3-Coder-Next-Q4_K_M.gguf", 79.7, 3.9),
        ("Mixtral-8x7B-Instruct-v0.1", 46.7, 12.9),
        ("gpt-oss-20b-MXFP4.gguf", 20.9, 3.6),
        ("granite-3.0-1b-a400m-instruct", 1.0, 0.4),
        ("qwen3moe 30B.A3B Q4_K - Medium", 30.0, 3.0),
        ("DeepSeek-Coder-V2-Lite-Instruct", 15.7, 2.4),
        ("DeepSeek-R1-0528", 671.0, 37.6),
        ("Llama-4-Scout-17B-16E-Instruct", 107.8, 17.2),
        ("Ling-1T-A50B", 1000.0, 50.0),
    ],
)
def test_name_of_a_mixture_tells_total_and_active(name: str, total: float, active: float) -> None:
    assert mixture_size(name) == NamedSize(round(total * 1e9), round(active * 1e9))


def test_copies_of_a_dense_model_share_its_attention() -> None:
    """Mixtral's own figures: 46.7 and 12.9 billion, 140.6 and 39.2."""
    for name, total, active in (("x-8x7.24B", 46.7e9, 12.9e9), ("x-8x22B", 140.6e9, 39.2e9)):
        size = mixture_size(name)
        assert size is not None
        assert size.total == pytest.approx(total, rel=0.02)
        assert size.active == pytest.approx(active, rel=0.02)


@pytest.mark.parametrize(
    "name",
    ["Llama-3.1-8B", "DeepSeek-R1-Distill-Qwen-7B", "DeepSeek-R1-0528-Qwen3-8B", "gemma-2-27b-it",
     "GLM-4-9B-0414", "Qwen3.5-35B-B3A", "moebius-7B", ""],
)  # fmt: skip
def test_dense_names_are_no_mixtures(name: str) -> None:
    assert mixture_size(name) is None
    assert not names_mixture(name)


def test_a_mixture_without_a_size_in_its_name_is_still_one() -> None:
    assert mixture_size("tinymoe") is None
    assert names_mixture("tinymoe")


@pytest.mark.skipif(not ROWS.is_file(), reason="needs ../shared/published")
def test_community_mixtures_are_sized_within_rounding() -> None:
    """A whole billion in the name is up to half a billion off; the others are as published."""
    rows = json.loads(ROWS.read_text())["rows"]
    models = {row["model"]: row for row in rows}
    mixtures = {
        name: row
        for name, row in models.items()
        if row["active_parameters"] < 0.9 * row["parameters"]
    }
    assert len(mixtures) > 30
    for name, row in mixtures.items():
        size = mixture_size(name)
        assert size is not None, name
        assert abs(size.total - row["parameters"]) <= max(0.5e9, 0.06 * row["parameters"])
        assert abs(size.active - row["active_parameters"]) <= 0.5e9
    assert not [name for name in models.keys() - mixtures.keys() if names_mixture(name)]
