"""What a load was, as raw series and facts: figures are derived from these when rows are made."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from grid.cells.load import ServerLoad
from grid.cells.measurement import Series
from grid.engine.load.completion import Result
from grid.engine.load.generator import Sent
from grid.engine.measure.result import WorkloadResult, series

LATE_S = 0.005
LATE_SHARE = 0.05
"""A client whose 99th percentile of delays is more than both, the latter of the median TTFT, did
not keep up."""

GROWTH_SHARE = 0.05
"""A server whose backlog grew by more than this share of the arrivals, and by more than twice the
square root of their number, is saturated."""


def raw_results(sent: Sent, load: ServerLoad) -> WorkloadResult:
    """Series of the requests that count. Those of latencies hold whole answers only, in the order
    in which requests were due; a request that failed is in `failed_s`, with the time that it
    took."""
    whole = [result for result in sent.counted if not result.error]
    failed = [result for result in sent.counted if result.error]
    gaps = [b - a for result in whole for a, b in pairwise(result.token_times)]
    late = [max(0.0, result.sent - result.scheduled) for result in sent.counted]
    listed = (
        series("sent_s", "s", [result.sent - sent.begin for result in whole]),
        series("ttft_s", "s", [result.ttft_s for result in whole]),
        series("e2e_s", "s", [result.e2e_s for result in whole]),
        series("output_tokens", "token", [result.tokens for result in whole]),
        series("prompt_tokens", "token", [result.prompt_tokens for result in whole]),
        series("itl_s", "s", gaps),
        series("failed_sent_s", "s", [result.sent - sent.begin for result in failed]),
        series("failed_s", "s", [result.e2e_s for result in failed]),
        series("client_lateness_s", "s", late),
    )
    return WorkloadResult(
        scalars=_scalars(sent, load, whole),
        series=tuple(samples for samples in listed if samples.values),
        environment=_environment(sent, load, whole, late),
    )


def _scalars(sent: Sent, load: ServerLoad, whole: Sequence[Result]) -> dict[str, float]:
    """Facts of the window: its seconds, the requests that were due in it, the answers and tokens
    that came in it, and how many requests ran at once on average."""
    everything = [*sent.counted, *sent.others]
    scalars = {
        "window_s": sent.window_s,
        "requests": float(len(sent.counted)),
        "completed_in_window": float(
            sum(not r.error and sent.begin <= r.ended <= sent.end for r in everything)
        ),
        "concurrency_mean": _overlap(sent, everything) / sent.window_s,
        "pieces_per_token": _pieces_per_token(whole),
        **{f"slo_{name}": limit for name, limit in load.slo.limits.items()},
    }
    if all(result.tokens for result in everything if not result.error):
        scalars["tokens_in_window"] = sum(_tokens_within(r, sent) for r in everything)
    if sent.lags_s:
        scalars["client_lag_p99_s"] = float(np.quantile(sent.lags_s, 0.99))
    scalars["saturated"] = float(saturated(sent, load))
    return {name: value for name, value in scalars.items() if value is not None}


def _overlap(sent: Sent, results: Sequence[Result]) -> float:
    """Seconds of all requests within the window, added up."""
    return sum(max(0.0, min(r.ended, sent.end) - max(r.sent, sent.begin)) for r in results)


def _tokens_within(result: Result, sent: Sent) -> float:
    """A request's tokens that came in the window, by its pieces; a broken answer's count as none.

    The edges are left out only where the window cuts a request.
    """
    if result.error or not result.token_times:
        return 0.0
    times = result.token_times
    return result.tokens * sum(sent.begin <= t <= sent.end for t in times) / len(times)


def _pieces_per_token(whole: Sequence[Result]) -> float | None:
    """1 where each piece of text was a token; None where tokens are not known."""
    tokens = sum(result.tokens for result in whole)
    if not tokens or not all(result.tokens for result in whole):
        return None
    return sum(len(result.token_times) for result in whole) / tokens


def backlog_growth(sent: Sent) -> float:
    """Requests that ran at the window's end less those at its beginning."""
    everything = [*sent.counted, *sent.others]
    return float(
        sum(r.sent <= sent.end < r.ended for r in everything)
        - sum(r.sent <= sent.begin < r.ended for r in everything)
    )


def saturated(sent: Sent, load: ServerLoad) -> bool:
    """Whether an open load outran the server: its backlog grew all the while."""
    if load.arrivals == "closed":
        return False
    if sent.piled_up:
        return True
    arrivals = len(sent.counted)
    last_s = max((r.scheduled for r in sent.counted), default=sent.begin)
    cut = Sent(begin=sent.begin, end=last_s, counted=sent.counted, others=sent.others, lags_s=[])
    return backlog_growth(cut) > max(GROWTH_SHARE * arrivals, 2 * math.sqrt(arrivals))


def _environment(
    sent: Sent, load: ServerLoad, whole: Sequence[Result], late: Sequence[float]
) -> dict[str, str]:
    facts = {}
    counted_by = Counter(result.counted_by or "nothing" for result in whole)
    facts["tokens_counted_by"] = ", ".join(name for name, _ in counted_by.most_common())
    errors = Counter(result.error for result in sent.counted if result.error)
    if errors:
        facts["errors"] = "; ".join(f"{n} x {text}" for text, n in errors.most_common(5))
    if sent.piled_up:
        facts["stopped"] = "too many requests ran at once"
    delay = float(np.quantile([*late, *sent.lags_s], 0.99)) if late or sent.lags_s else 0.0
    if whole:
        ttft = float(np.median([result.ttft_s for result in whole]))
        if delay > max(LATE_S, LATE_SHARE * ttft):
            facts["client"] = f"did not keep up: 1 % of its times are {1000 * delay:.0f} ms late"
    return facts


def failed_series(samples: Sequence[Series]) -> int:
    """How many requests failed."""
    return next((len(s.values) for s in samples if s.name == "failed_s"), 0)
