"""Mixtures of experts: a token reads few of their weights, and some rows do not tell how many."""

from __future__ import annotations

from grid.analysis.variant import Variant

MIXTURE_UNKNOWN = (
    "a mixture of experts: a token reads some of its weights alone, and rows do not tell how many"
)


def mixture_unknown(variant: Variant) -> bool:
    """True for a mixture of which neither header nor name tells what a token uses: no rate is
    predicted for it, and its rates tell nothing of other models (`MIXTURE_UNKNOWN`)."""
    return variant.is_mixture and variant.read_weight_bytes is None


def used_parameters(variant: Variant) -> float:
    """Weights that a token uses; all where rows say no fewer; 0 where they are not known."""
    return float(variant.active_parameters or variant.parameters)


def total_parameters(variant: Variant) -> float | None:
    """All weights of a mixture of experts, None of a dense model."""
    return float(variant.parameters) if variant.is_mixture and variant.parameters else None
