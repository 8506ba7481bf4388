"""Statistics of benchmark samples: pure functions on arrays, numpy alone at import.

Every function returns an `Interval` (or a small record) and says its method; raw samples are never
dropped or altered. Distributions come from `scipy.special`, imported at first use: `scipy.stats`
takes 1.2 s more CPU to import, which would disturb measurements and delay every table. Its Wilson
interval takes 290 us a call, ours 2 us.
"""

from grid.results.statistics.classes import (
    capability,
    composite,
    gains,
    is_above_chance,
    retained_share,
)
from grid.results.statistics.divergence import (
    divergence_mean,
    dp_table,
    kld_by_confidence,
    kld_table,
    ln_ppl_ratio,
    same_top,
)
from grid.results.statistics.groups import group_codes
from grid.results.statistics.interval import Interval
from grid.results.statistics.quantiles import median_interval, quantile_interval
from grid.results.statistics.queues import queue_quantile, queue_share, window_rate
from grid.results.statistics.rates import rate_interval, rate_ratio, time_interval
from grid.results.statistics.resolution import DISCORDANT, resolvable_difference
from grid.results.statistics.runs import BetweenRuns, between_runs, earlier_runs
from grid.results.statistics.scores import (
    PairedTest,
    holm_correction,
    mcnemar_test,
    paired_chunk_test,
    paired_item_test,
    score_mean,
    share_of,
    sign_flip_test,
    wilson_interval,
)
from grid.results.statistics.text import bits_per_byte, chunk_mean, perplexity
from grid.results.statistics.trend import Drift, drift, outliers

__all__ = [
    "DISCORDANT",
    "BetweenRuns",
    "Drift",
    "Interval",
    "PairedTest",
    "between_runs",
    "bits_per_byte",
    "capability",
    "chunk_mean",
    "composite",
    "divergence_mean",
    "dp_table",
    "drift",
    "earlier_runs",
    "gains",
    "group_codes",
    "holm_correction",
    "is_above_chance",
    "kld_by_confidence",
    "kld_table",
    "ln_ppl_ratio",
    "mcnemar_test",
    "median_interval",
    "outliers",
    "paired_chunk_test",
    "paired_item_test",
    "perplexity",
    "quantile_interval",
    "queue_quantile",
    "queue_share",
    "rate_interval",
    "rate_ratio",
    "resolvable_difference",
    "retained_share",
    "same_top",
    "score_mean",
    "share_of",
    "sign_flip_test",
    "time_interval",
    "wilson_interval",
    "window_rate",
]
