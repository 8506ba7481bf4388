"""Labels for variants of one model and quant: engine, quantizer, options, artifact id."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from grid.analysis.variant import Variant

HASH = 6
"""Letters of an artifact's id where nothing else tells two variants apart."""


def disambiguating_labels(variants: Sequence[Variant]) -> dict[str, str]:
    """By variant id the words to add to its quant's name.

    Empty where no other has the same model and quant; else engine and quantizer where they differ,
    then the options in which variants of one engine and quantizer differ, and the artifact's id
    where all of that is the same.
    """
    alike: defaultdict[str, list[Variant]] = defaultdict(list)
    for variant in variants:
        alike[variant.label].append(variant)
    return {
        variant.id: " ".join(_label_parts(variant, group))
        for group in alike.values()
        for variant in group
    }


def _label_parts(variant: Variant, group: Sequence[Variant]) -> list[str]:
    parts = []
    if len({mate.backend for mate in group}) > 1:
        parts.append(variant.backend)
    mates = [mate for mate in group if mate.backend == variant.backend]
    if len({mate.quantizer for mate in mates}) > 1:
        parts.append(f"by {variant.quantizer}" if variant.quantizer else "as given")
        mates = [mate for mate in mates if mate.quantizer == variant.quantizer]
    if len(mates) == 1:
        return parts
    return [*parts, *(_differing_options(variant, mates) or [variant.artifact_id[:HASH]])]


def _differing_options(variant: Variant, mates: Sequence[Variant]) -> list[str]:
    """Those of a variant's options that not all mates have."""
    others = [_options_of(mate) for mate in mates]
    return [
        f"{name}={value}"
        for name, value in sorted(_options_of(variant).items())
        if any(options.get(name) != value for options in others)
    ]


def options_text(options: str) -> str:
    """`batch=512 threads=2`, of the options in JSON; empty without any."""
    return " ".join(
        f"{name}={value}" for name, value in sorted(json.loads(options or "{}").items())
    )


def _options_of(variant: Variant) -> dict[str, Any]:
    return dict(json.loads(variant.options or "{}"))
