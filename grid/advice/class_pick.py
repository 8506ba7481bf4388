"""The pick of a hardware class, for the pages and tables that mark it."""

from __future__ import annotations

from dataclasses import replace

from grid.advice.advice import Advice
from grid.advice.advice_quality import SeveralModels
from grid.advice.ask import Ask
from grid.advice.recommend import AdviceBasis, advice_basis, answer_of, recommend
from grid.analysis.dataset import Dataset
from grid.errors import InputError


def pick_of_class(
    dataset: Dataset, hardware_class: str, ask: Ask | None = None, model: str = ""
) -> Advice | None:
    """What `recommend` says of a hardware class under the limits of an ask: `.pick` is the one to
    mark, None where nothing meets them. `model` narrows it, as a chart of KL divergence does.

    Nothing is read that the dataset has read before. None where no advice can be given: nothing
    ranks the variants, or models do not compare and none is named.
    """
    try:
        return recommend(dataset, _on_class(ask or Ask(), hardware_class, model))
    except InputError:
        return None


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
    class_ask = _on_class(ask or Ask(), hardware_class, "")
    try:
        return (advice_basis(dataset, class_ask),)
    except SeveralModels as error:
        asks = [replace(class_ask, model=model) for model in error.models]
        return tuple(advice_basis(dataset, model_ask) for model_ask in asks)


def _on_class(ask: Ask, hardware_class: str, model: str) -> Ask:
    named = replace(ask, hardware=hardware_class, chip=None, bandwidth_bytes_s=None)
    return replace(named, model=model) if model else named
