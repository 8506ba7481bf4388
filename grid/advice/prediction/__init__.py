"""Predicts rates on hardware that nobody measured, with intervals."""

from grid.advice.prediction.mixture import MIXTURE_UNKNOWN, mixture_of_experts
from grid.advice.prediction.observation import Observation
from grid.advice.prediction.observe import chip_of, observations_of, read_bytes_of
from grid.advice.prediction.predictor import Predictor, leave_one_out
from grid.advice.prediction.published import published_observations
from grid.advice.prediction.result import LEVEL, Loo, LooRow, Prediction

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
