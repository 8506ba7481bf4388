"""Predicts rates on hardware that nobody measured, with intervals."""

from grid.advice.prediction.leave_one_out import leave_one_out
from grid.advice.prediction.mixture import (
    MIXTURE_UNKNOWN,
    mixture_unknown,
    total_parameters,
    used_parameters,
)
from grid.advice.prediction.observation import Observation
from grid.advice.prediction.observe import chip_of, observations_of, read_bytes_of
from grid.advice.prediction.offload import DeviceShare, predict_split
from grid.advice.prediction.predictor import ModelSize, Predictor
from grid.advice.prediction.published import published_observations
from grid.advice.prediction.result import LEVEL, Loo, LooRow, Prediction

__all__ = [
    "LEVEL",
    "MIXTURE_UNKNOWN",
    "DeviceShare",
    "Loo",
    "LooRow",
    "ModelSize",
    "Observation",
    "Prediction",
    "Predictor",
    "chip_of",
    "leave_one_out",
    "mixture_unknown",
    "observations_of",
    "predict_split",
    "published_observations",
    "read_bytes_of",
    "total_parameters",
    "used_parameters",
]
