"""Reads a store one piece at a time: hardware classes, variants, posteriors, single attempts."""

from grid.analysis.dataset.dataset import Dataset, fingerprint
from grid.analysis.dataset.detail import AttemptDetail
from grid.analysis.dataset.overview import HardwareClass, Overview
from grid.analysis.dataset.repeat import repeat_command

__all__ = [
    "AttemptDetail",
    "Dataset",
    "HardwareClass",
    "Overview",
    "fingerprint",
    "repeat_command",
]
