"""A value with its 95 % interval, which every statistic returns; and critical values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEVEL = 0.95
"""Coverage that all intervals of this package aim at."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate in the unit of its samples.

    `low` and `high` bound the 95 % interval, None where the samples do not allow one; `sd` is the
    sample standard deviation or the standard error, as `method` says; `n` counts the samples.
    """

    value: float
    low: float | None = None
    high: float | None = None
    sd: float | None = None
    n: int = 1
    method: str = ""


def require_finite(values: npt.ArrayLike, what: str) -> Floats:
    """The values as float64. Raises ValueError where there are none or one is not finite."""
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        raise ValueError(f"no {what} to compute a statistic from")
    if not np.isfinite(array).all():
        raise ValueError(f"{what} must be finite")
    return array


def t_quantile(degrees: float, level: float = LEVEL) -> float:
    """Two-sided critical value of Student's t: 2.776 for 4 degrees of freedom at 95 %."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.5 + level / 2))


def z_quantile(level: float = LEVEL) -> float:
    """Two-sided critical value of the normal distribution: 1.960 at 95 %."""
    from scipy.special import ndtri

    return float(ndtri(0.5 + level / 2))


def wilson_bounds(successes: float, n: float, z2: float) -> tuple[float, float]:
    """Wilson's score interval (1927) of a share of n, which need not be whole; `z2` is the squared
    critical value. Never outside [0, 1], never a point."""
    share = successes / n
    centre = (successes + z2 / 2) / (n + z2)
    half = (z2 * (share * (1 - share) / n + z2 / (4 * n**2))) ** 0.5 / (1 + z2 / n)
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return low, high
