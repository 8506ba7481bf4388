"""Statistics of benchmark samples: pure functions on arrays, numpy alone at import.

Every function returns an `Interval` (or a small record) and says its method; raw samples are never
dropped or altered.
"""

from grid.results.statistics.classes import above_chance, capability, composite, gains, retained
from grid.results.statistics.divergence import dp_table, kld_table, ln_ppl_ratio, same_top
from grid.results.statistics.interval import Interval
from grid.results.statistics.quantiles import median_interval, quantile_interval
from grid.results.statistics.rates import rate_interval, rate_ratio, time_interval
from grid.results.statistics.scores import (
    PairedTest,
    holm,
    mcnemar,
    paired_chunks,
    paired_items,
    score_mean,
    sign_flips,
    wilson,
)
from grid.results.statistics.text import bits_per_byte, chunk_mean, perplexity
from grid.results.statistics.trend import Drift, drift, outliers

__all__ = [
    "Drift",
    "Interval",
    "PairedTest",
    "above_chance",
    "bits_per_byte",
    "capability",
    "chunk_mean",
    "composite",
    "dp_table",
    "drift",
    "gains",
    "holm",
    "kld_table",
    "ln_ppl_ratio",
    "mcnemar",
    "median_interval",
    "outliers",
    "paired_chunks",
    "paired_items",
    "perplexity",
    "quantile_interval",
    "rate_interval",
    "rate_ratio",
    "retained",
    "same_top",
    "score_mean",
    "sign_flips",
    "time_interval",
    "wilson",
]
