"""What each quant loses, by the published ladder of one model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from grid.results.imports.publications import facts

LADDER = "llama3-8b-gguf-quality"


@dataclass(frozen=True)
class PublishedLoss:
    """Mean KL divergence from 16 bits in nats, with its standard error, and how perplexity rose, of
    `model`; `source` says who measured it."""

    kld: float
    kld_se: float
    perplexity_rise: float
    model: str
    source: str


@cache
def published_losses() -> Mapping[str, PublishedLoss]:
    """By preset of llama.cpp; of several files of a preset the one made without an importance
    matrix, which presets below 3 bits always have."""
    table = facts(LADDER)
    losses: dict[str, PublishedLoss] = {}
    for row in sorted(table["rows"], key=lambda row: (row["imatrix"] is not None, row["kld"])):
        losses.setdefault(
            row["quant"].upper(),
            PublishedLoss(
                row["kld"], row["kld_se"], row["delta_ppl"], table["model"], table["source"]
            ),
        )
    return losses
