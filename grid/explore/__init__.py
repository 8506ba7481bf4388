"""A store as pages and commands ask of it: classes, variants, beliefs, single attempts."""

from grid.explore.dataset import Dataset, fingerprint
from grid.explore.detail import AttemptDetail
from grid.explore.overview import HardwareClass, Overview
from grid.explore.repeat import repeat_command

__all__ = [
    "AttemptDetail",
    "Dataset",
    "HardwareClass",
    "Overview",
    "fingerprint",
    "repeat_command",
]
