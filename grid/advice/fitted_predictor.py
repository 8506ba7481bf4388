"""What is known of rates anywhere, the store's own and published ones, and what they predict."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from grid.analysis.dataset import Dataset

if TYPE_CHECKING:
    from grid.advice.prediction import Observation, Predictor


def engines_on(dataset: Dataset, platform: str) -> set[str]:
    """Backends that were measured on a platform, by anybody."""
    observed = _observations(dataset, dataset.fingerprint)
    return {observation.engine for observation in observed if observation.platform == platform}


def predictor_of(dataset: Dataset) -> Predictor:
    """Fitted once for the rows as they are."""
    return _fitted(dataset, dataset.fingerprint)


@lru_cache(maxsize=2)
def _fitted(dataset: Dataset, fingerprint: str) -> Predictor:
    from grid.advice.prediction import Predictor

    return Predictor.fit(_observations(dataset, fingerprint))


@lru_cache(maxsize=2)
def _observations(dataset: Dataset, fingerprint: str) -> list[Observation]:
    from grid.advice.prediction import published_observations

    return [*_own_observations(dataset), *published_observations()]


def _own_observations(dataset: Dataset) -> list[Observation]:
    """The store's, as they were derived before: in a large store they take seconds."""
    import msgspec

    from grid.advice.prediction import Observation, observations_of

    name = f"observations-{dataset.fingerprint}"
    keeps = dataset.is_whole and not dataset.problems
    try:
        return msgspec.json.decode(
            (dataset.derived(name) if keeps else None) or b"", type=list[Observation]
        )
    except msgspec.DecodeError:
        observed = list(observations_of(dataset.speed_sample()))
    if keeps:
        dataset.keep_derived(name, msgspec.json.encode(observed))
    return observed
