"""The picks of a hardware class, for tables of all that was measured on it."""

from __future__ import annotations

from dataclasses import replace

from grid.advice.advice import Advice
from grid.advice.advice_quality import SeveralModels
from grid.advice.ask import Ask
from grid.advice.recommend import AdviceBasis, advice_basis, answer_of
from grid.analysis.dataset import Dataset


def picks_of_class(
    dataset: Dataset, hardware_class: str, ask: Ask | None = None
) -> tuple[Advice, ...]:
    """The advice on a hardware class: one answer, or where nothing compares its models one for each
    of them. Raises InputError where there is none."""
    return tuple(answer_of(basis) for basis in bases_of_class(dataset, hardware_class, ask))


def bases_of_class(
    dataset: Dataset, hardware_class: str, ask: Ask | None = None
) -> tuple[AdviceBasis, ...]:
    """What these answers rest on, to pick within further limits."""
    class_ask = replace(ask or Ask(), hardware=hardware_class, chip=None, bandwidth_bytes_s=None)
    try:
        return (advice_basis(dataset, class_ask),)
    except SeveralModels as error:
        asks = [replace(class_ask, model=model) for model in error.models]
        return tuple(advice_basis(dataset, model_ask) for model_ask in asks)
