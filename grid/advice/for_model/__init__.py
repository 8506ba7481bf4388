"""Which hardware runs a model: the question the other way round."""

from grid.advice.for_model.choose import (
    RUNS,
    SLOWER,
    TOO_SMALL,
    UNKNOWN,
    VERDICTS,
    HardwareChoice,
    PlaceVerdict,
    choose_hardware,
)
from grid.advice.for_model.places import Place
from grid.advice.for_model.target import TargetModel, find_target

__all__ = [
    "RUNS",
    "SLOWER",
    "TOO_SMALL",
    "UNKNOWN",
    "VERDICTS",
    "HardwareChoice",
    "Place",
    "PlaceVerdict",
    "TargetModel",
    "choose_hardware",
    "find_target",
]
