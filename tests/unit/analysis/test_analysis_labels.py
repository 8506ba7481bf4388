"""What is added to a quant's name, so that no two variants of a list are called the same."""

from __future__ import annotations

import json
from dataclasses import replace

from analysis_cases import variant

from grid.analysis import Variant
from grid.analysis.labels import disambiguating_labels

ONE = variant("Q4_K_M", 4_900, [1.0, 0.0], artifact_id="0123456789ab")


def added(*variants: Variant) -> list[str]:
    """In the order of the variants, which must have ids of their own."""
    found = disambiguating_labels(variants)
    assert len(found) == len(variants)
    return [found[one.id] for one in variants]


def test_nothing_is_added_to_a_name_that_is_the_only_one() -> None:
    assert added(ONE, replace(ONE, quant="Q8_0", artifact_id="other")) == ["", ""]


def test_engines_are_named_where_they_differ() -> None:
    assert added(ONE, replace(ONE, backend="mlx")) == ["llamacpp", "mlx"]


def test_of_one_engine_only_options_that_differ_are_named() -> None:
    options = [json.dumps({"threads": count, "batch": 512}) for count in (1, 8)]
    two = [replace(ONE, options=text) for text in options]
    assert added(*two) == ["threads=1", "threads=8"]
    other = replace(ONE, backend="mlx", options='{"batch": 2}')
    assert added(*two, other) == ["llamacpp threads=1", "llamacpp threads=8", "mlx"]


def test_files_made_by_others_are_told_from_given_ones() -> None:
    made = replace(ONE, artifact_id="made", quantizer="llama-quantize b1")
    assert added(ONE, made) == ["as given", "by llama-quantize b1"]


def test_files_that_differ_in_nothing_else_are_told_by_their_id() -> None:
    twin = replace(ONE, artifact_id="fedcba987654")
    assert added(ONE, twin) == [ONE.artifact_id[:6], "fedcba"]
