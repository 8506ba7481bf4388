"""What is added to a quant's name, so that no two variants of a list are called the same."""

from __future__ import annotations

import json
from dataclasses import replace

from analysis_cases import variant

from grid.analysis import Variant
from grid.analysis.labels import disambiguating_labels

BASE = variant("Q4_K_M", 4_900, [1.0, 0.0], artifact_id="0123456789ab")


def added(*variants: Variant) -> list[str]:
    """In the order of the variants, which must have ids of their own."""
    labels = disambiguating_labels(variants)
    assert len(labels) == len(variants)
    return [labels[variant.id] for variant in variants]


def test_nothing_is_added_to_a_name_that_is_the_only_one() -> None:
    assert added(BASE, replace(BASE, quant="Q8_0", artifact_id="other")) == ["", ""]


def test_engines_are_named_where_they_differ() -> None:
    assert added(BASE, replace(BASE, backend="mlx")) == ["llamacpp", "mlx"]


def test_only_differing_options_of_one_engine_are_named() -> None:
    options = [json.dumps({"threads": count, "batch": 512}) for count in (1, 8)]
    two = [replace(BASE, options=text) for text in options]
    assert added(*two) == ["threads=1", "threads=8"]
    rival = replace(BASE, backend="mlx", options='{"batch": 2}')
    assert added(*two, rival) == ["llamacpp threads=1", "llamacpp threads=8", "mlx"]


def test_quantizers_are_named_where_they_differ() -> None:
    quantized = replace(BASE, artifact_id="made", quantizer="llama-quantize b1")
    assert added(BASE, quantized) == ["as given", "by llama-quantize b1"]


def test_files_that_differ_in_nothing_else_are_labelled_by_id() -> None:
    twin = replace(BASE, artifact_id="fedcba987654")
    assert added(BASE, twin) == [BASE.artifact_id[:6], "fedcba"]
