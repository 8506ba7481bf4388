"""What is taken of a chip or a model whose facts are not known."""

from __future__ import annotations

from math import log, sqrt

from grid.advice.prediction.observation import Observation

LAYERS, LAYER_PARAMETERS = 32, 6.7e9
"""Layers of a model of that size; where they are not known, layers grow as the cube root."""
CLOCK_HZ = {"metal": 1.4e9, "cuda": 1.9e9, "vulkan": 2.2e9, "rocm": 2.2e9, "cpu": 3e9}
BANDWIDTH_BYTES_S = 5e11
_USUAL_BANDWIDTH = {"cpu": 8e10}
"""Bytes/s of a usual chip of a platform, where not the above."""
_SINGLE_PER_BYTE = {"cpu": 10.0}
_SINGLE_PER_BYTE_GPU = 40.0
"""32-bit operations for each byte of bandwidth, of chips whose rate is not known."""


def bandwidth_of(row: Observation) -> float:
    """Bytes/s, or those of a usual card."""
    return row.bandwidth_bytes_s or _usual_bandwidth(row)


def bandwidth_ratio(row: Observation) -> float:
    """Log of how much larger than usual a chip is: a token's work may fill large ones less well."""
    return log(bandwidth_of(row) / _usual_bandwidth(row))


def _usual_bandwidth(row: Observation) -> float:
    return _USUAL_BANDWIDTH.get(row.platform, BANDWIDTH_BYTES_S)


def clock_of(row: Observation) -> float:
    """Hz, or those of a usual chip of the platform."""
    return row.clock_hz or CLOCK_HZ[row.platform]


def layers_of(row: Observation) -> float:
    """Layers, or what a dense model of this size has; a mixture is as deep as a dense model of
    between its active and its total parameters."""
    if row.layers:
        return row.layers
    size = row.parameters
    if row.mixture and row.total_parameters is not None:
        size = sqrt(size * row.total_parameters)
    return float(LAYERS * (size / LAYER_PARAMETERS) ** (1 / 3))


def single_of(row: Observation) -> float:
    """32-bit operations/s, or those of a usual chip with this bandwidth."""
    ratio = _SINGLE_PER_BYTE.get(row.platform, _SINGLE_PER_BYTE_GPU)
    return row.flops_single or bandwidth_of(row) * ratio
