"""Decode of a model that lies on several devices: a card, and the main memory for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grid.advice.prediction.observation import require_positive
from grid.advice.prediction.predictor import ModelSize, Predictor
from grid.advice.prediction.result import Prediction, summarize
from grid.hardware.chips import Chip

CROSSING_S, _CROSSING_SPREAD = 5e-5, 0.7
"""Seconds that activations take from one device to another, with the wait for it: a copy and a
synchronisation of some 10 microseconds each; within a factor of 2 or so."""
_SPLIT_SPREAD = 0.1
"""Log units of a time that are not sure beyond what the devices' own predictions say: no split was
measured."""
_SEED = 7_131


@dataclass(frozen=True, kw_only=True)
class DeviceShare:
    """What one device does for a token: `read_bytes` of weights and KV cache in its memory, the
    `parameters` used of them, `layers` in which it computes at all. Of a mixture, `read_bytes` and
    `parameters` are of the used experts."""

    chip: Chip
    read_bytes: float
    parameters: float
    layers: int


def predict_split(
    predictor: Predictor,
    engine: str,
    quant: str,
    shares: Sequence[DeviceShare],
    *,
    crossings: int,
    total_parameters: float | None = None,
) -> Prediction:
    """Token/s where devices compute in turn: the sum of their times, and of `crossings` times from
    one to another (2 for each layer whose experts lie in the main memory; 2 for whole layers).

    `total_parameters` of the whole model are given for a mixture of experts. Draws of the devices
    go together with those of other predictions. Raises InputError for a share with figures not
    above zero; one that does nothing is left away by the caller.
    """
    for share in shares:
        for what in ("read_bytes", "parameters", "layers"):
            require_positive(share.chip.name, what.replace("_", " "), getattr(share, what))
    mixture = (total_parameters or 0.0) / sum(share.parameters for share in shares)
    alone = [_alone(predictor, engine, quant, share, mixture) for share in shares]
    seconds = np.sum([1 / prediction.draws for prediction in alone], axis=0)
    rng = np.random.default_rng(_SEED)
    moves, spread = rng.standard_normal((2, seconds.size))
    seconds += crossings * CROSSING_S * np.exp(_CROSSING_SPREAD * moves)
    draws = np.exp(_SPLIT_SPREAD * spread) / seconds
    slowest = min(alone, key=lambda prediction: prediction.value)
    names = " and ".join(share.chip.name for share in shares)
    basis = f"predicted: the sum of the times on {names}, which nobody measured together"
    return Prediction(*summarize(draws), draws, slowest.error, basis, slowest.far)


def _alone(
    predictor: Predictor, engine: str, quant: str, share: DeviceShare, mixture: float
) -> Prediction:
    size = ModelSize(
        share.read_bytes, share.parameters, mixture * share.parameters or None, share.layers
    )
    return predictor.decode_size(share.chip, engine, quant, size)
