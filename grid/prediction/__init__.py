"""Rates on hardware nobody measured, predicted with intervals; always marked as predicted."""

from grid.prediction.mixture import MIXTURE_UNKNOWN, mixture_of_experts
from grid.prediction.observation import Observation
from grid.prediction.observe import chip_of, observations_of, read_bytes_of
from grid.prediction.predictor import Predictor, leave_one_out
from grid.prediction.published import published_observations
from grid.prediction.result import LEVEL, Loo, LooRow, Prediction

__all__ = [
    "LEVEL",
    "MIXTURE_UNKNOWN",
    "Loo",
    "LooRow",
    "Observation",
    "Prediction",
    "Predictor",
    "chip_of",
    "leave_one_out",
    "mixture_of_experts",
    "observations_of",
    "published_observations",
    "read_bytes_of",
]
