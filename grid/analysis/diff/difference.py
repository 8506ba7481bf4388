"""What changed from A to B: a verdict for each cell and for each family of figures.

All intervals of a family hold together in 95 % of cases: half of the 5 % is the summary's, the
cells share the other half (Sidak 1967). A verdict needs an interval without 0, and of items and
chunks also a sign-flip test as sure as that.

The summary is the mean change of the cells that decide, which of logs is a geometric mean ratio.
What cells share counts once: the deviation of a run for all cells of one engine process, an item or
chunk for all variants that were asked it. Intervals of speed are wider by what the machine's own
kernels differ between the sides, which no engine is to be blamed for.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from grid.analysis.diff.estimates import (
    ChangeEstimate,
    item_change,
    rate_change,
    size_change,
    text_change,
)
from grid.analysis.diff.load_estimates import load_change
from grid.analysis.diff.pairing import CellPair, Unpaired, label_of, pair_cells
from grid.analysis.diff.side import Side
from grid.results.statistics import Interval, sign_flip_test
from grid.results.statistics.interval import LEVEL, t_quantile

NO_DIFFERENCE = "no difference told"

Scale = Literal["ratio", "difference"]

LEAST = 1e-4
"""Changes below 0.01 % are rounding of the engine's arithmetic: never a difference."""


LOAD = "load_"
"""Begins the names of what a server does under load."""


class FigureKind(NamedTuple):
    """Figures that are judged together: metric, its better direction, the words for a B that is
    better and worse, and the words' threshold names."""

    name: str
    title: str
    unit: str
    higher_is_better: bool
    better: str
    worse: str
    scale: Scale = "ratio"

    @property
    def metric(self) -> str:
        """The metric in rows, of which a load and a single request have several alike."""
        return self.name.removeprefix(LOAD)


_SPEED = ("faster", "slower")
_QUALITY = ("better", "worse")
_SIZE = ("smaller", "larger")

KINDS = (
    FigureKind("decode_tps", "decode", "token/s", True, *_SPEED),
    FigureKind("prefill_tps", "prefill", "token/s", True, *_SPEED),
    FigureKind("ttft_s", "time to first token", "s", False, *_SPEED),
    FigureKind("tpot_s", "time per output token", "s", False, *_SPEED),
    FigureKind("e2e_s", "end-to-end latency", "s", False, *_SPEED),
    *(
        FigureKind(f"{LOAD}{metric}", f"{title} under load", "s", False, *_SPEED)
        for metric, title in (
            ("ttft_s", "median time to first token"),
            ("ttft_p90_s", "p90 time to first token"),
            ("ttft_p99_s", "p99 time to first token"),
            ("tpot_s", "median time per output token"),
            ("tpot_p90_s", "p90 time per output token"),
            ("tpot_p99_s", "p99 time per output token"),
        )
    ),
    FigureKind("load_output_throughput", "throughput under load", "token/s", True, *_SPEED),
    FigureKind("load_goodput", "goodput", "requests/s", True, *_SPEED),
    FigureKind("load_slo_request_rate", "largest rate within limits", "requests/s", True, *_SPEED),
    FigureKind("perplexity", "perplexity", "1", False, *_QUALITY),
    FigureKind("kld_mean", "KL divergence", "nat", False, *_QUALITY),
    FigureKind("accuracy", "task score", "1", True, *_QUALITY, "difference"),
    FigureKind("artifact_bytes", "size of weights", "B", False, *_SIZE),
    FigureKind("peak_rss_bytes", "peak memory", "B", False, *_SIZE),
    FigureKind("peak_vram_bytes", "peak card memory", "B", False, *_SIZE),
    FigureKind("kv_bytes", "KV cache", "B", False, *_SIZE),
)
"""In the order of the tables."""


@dataclass(frozen=True)
class CellChange:
    """One cell's figure on both sides. `change` is relative, B / A - 1, or B - A of a task score;
    its interval is None where it does not decide, and `note` says why."""

    label: str
    first: float
    second: float
    change: Interval
    verdict: str
    note: str = ""
    disturbed: tuple[str, ...] = ()


@dataclass(frozen=True)
class FigureFamily:
    """The cells of a kind, and what they say together; `summary` is None where no cell decides.
    `cells` counts those behind it, `shift` is the log of the machine's own speed, B over A."""

    kind: FigureKind
    figures: tuple[CellChange, ...]
    summary: Interval | None
    verdict: str
    cells: int
    shift: float = 0.0


@dataclass(frozen=True)
class Difference:
    """B against A: families with a cell on both sides, cells without a partner, and what else
    differs between the sides."""

    first: str
    second: str
    families: tuple[FigureFamily, ...]
    unpaired: tuple[Unpaired, ...]
    changes: tuple[str, ...]
    pairs: int


def compare_sides(first: Side, second: Side, by: Collection[str] = ()) -> Difference:
    """Compare two sides of `open_sides`; `by` are further kinds that may differ."""
    pairing = pair_cells(first, second, by)
    families = []
    for kind in KINDS:
        estimates = [e for pair in pairing.pairs if (e := _estimate(kind, pair, first, second))]
        if kind.name in ("artifact_bytes", "kv_bytes"):
            estimates = _of_weights(estimates)
        if estimates:
            families.append(judge(kind, estimates))
    return Difference(
        first.name,
        second.name,
        tuple(families),
        tuple(pairing.unpaired),
        tuple(pairing.changes),
        len(pairing.pairs),
    )


def _estimate(kind: FigureKind, pair: CellPair, first: Side, second: Side) -> ChangeEstimate | None:
    measure = pair.first.measure
    if kind.name.startswith(LOAD):
        return load_change(pair, kind.metric) if measure == "load" else None
    match kind.name:
        case "decode_tps" | "prefill_tps" if measure == kind.title:
            return rate_change(pair, kind.name, f"{measure}_s")
        case "ttft_s" | "tpot_s" | "e2e_s" if measure == "latency":
            return rate_change(pair, kind.name, kind.name)
        case "perplexity" | "kld_mean" if measure == "quality":
            return text_change(pair, "nll" if kind.name == "perplexity" else "kld")
        case "accuracy" if measure == "tasks":
            return item_change(
                pair, (first.items.get(pair.first.id), second.items.get(pair.second.id))
            )
        case "artifact_bytes":
            return size_change(pair, kind.name)
        case "peak_rss_bytes" | "peak_vram_bytes" | "kv_bytes" if measure == "memory":
            return size_change(pair, kind.name)
    return None


def _of_weights(estimates: Sequence[ChangeEstimate]) -> list[ChangeEstimate]:
    """One of each pair of weights and size, whatever workloads ran."""
    distinct = {
        (e.pair.first.row["artifact_id"], e.pair.second.row["artifact_id"], e.first, e.second): e
        for e in reversed(estimates)
    }
    return list(distinct.values())[::-1]


def judge(kind: FigureKind, estimates: Sequence[ChangeEstimate]) -> FigureFamily:
    """Verdicts of a family's cells and of all together."""
    deciding = [estimate for estimate in estimates if estimate.decides]
    count = len(deciding)
    shift = _common_shift(deciding)
    level = 1 - (1 - LEVEL) / 2 if count > 1 else LEVEL
    cell_level = level ** (1 / count) if count > 1 else LEVEL
    figures = tuple(_figure(kind, estimate, cell_level, shift) for estimate in estimates)
    if not deciding:
        return FigureFamily(kind, figures, None, NO_DIFFERENCE, 0)
    if count == 1:
        of_cell = next(f for f, e in zip(figures, estimates, strict=True) if e.decides)
        return FigureFamily(kind, figures, of_cell.change, of_cell.verdict, 1, shift)
    change, p_value = _mean_change(deciding, level, shift)
    verdict = _verdict(kind, change, p_value, level)
    return FigureFamily(kind, figures, _shown(kind, change), verdict, count, shift)


def _common_shift(estimates: Sequence[ChangeEstimate]) -> float:
    """Log of the machine's own speed, B over A, by the kernel that says the least: noise of one
    kernel is not the machine's."""
    by_kernel: defaultdict[str, list[float]] = defaultdict(list)
    for estimate in estimates:
        for name, value in (estimate.shift or {}).items():
            by_kernel[name].append(value)
    means = [float(np.mean(values)) for values in by_kernel.values()]
    return min(means, key=abs, default=0.0)


def _figure(kind: FigureKind, estimate: ChangeEstimate, level: float, shift: float) -> CellChange:
    first, second = estimate.pair
    label = label_of(first)
    if first.row["quant"] != second.row["quant"]:
        label = label.replace(f" {first.row['quant']}", "", 1)
    if kind.name == "artifact_bytes":
        label = label.removesuffix(f" {first.row['label']}")
    letters = " and ".join(estimate.disturbed)
    note = f"disturbed in {letters}" if letters else estimate.unknown
    change = Interval(estimate.change, method="value alone")
    verdict = NO_DIFFERENCE
    if estimate.decides:
        total = estimate.within + estimate.between
        degrees = _joined_degrees(
            (estimate.within, estimate.degrees), (estimate.between, estimate.between_degrees)
        )
        change = _interval(estimate.change, total, degrees, level, shift)
        verdict = _verdict(kind, change, estimate.p_value, level)
    return CellChange(
        label,
        estimate.first,
        estimate.second,
        _shown(kind, change),
        verdict,
        note,
        tuple(f"{letter}: {reason}" for letter, reason in estimate.disturbed.items()),
    )


def _interval(
    change: float, variance: float, degrees: float, level: float, shift: float
) -> Interval:
    error = variance**0.5
    half = t_quantile(degrees, level) * error if error else 0.0
    half += abs(shift) if error else 0.0
    return Interval(change, change - half, change + half, error, method=f"{level:.2%} Student t")


def _mean_change(
    estimates: Sequence[ChangeEstimate], level: float, shift: float
) -> tuple[Interval, float | None]:
    """The mean change with its interval, and the p of a sign-flip test of units."""
    count = len(estimates)
    mean = float(np.mean([estimate.change for estimate in estimates]))
    if all(estimate.units is not None for estimate in estimates):
        totals: defaultdict[str, float] = defaultdict(float)
        for estimate in estimates:
            for name, value in (estimate.units or {}).items():
                totals[name] += value / count
        values = np.array(list(totals.values())) * len(totals)
        variance = float(values.var(ddof=1)) / len(values) if len(values) > 1 else 0.0
        interval = _interval(mean, variance, max(1.0, len(values) - 1.0), level, 0.0)
        return interval, sign_flip_test(values)[0]
    sessions: defaultdict[str, list[ChangeEstimate]] = defaultdict(list)
    for estimate in estimates:
        sessions[estimate.session].append(estimate)
    between = sum(
        sum(estimate.between**0.5 for estimate in group) ** 2 for group in sessions.values()
    )
    within = sum(estimate.within for estimate in estimates)
    degrees = _joined_degrees(
        (within, sum(estimate.degrees for estimate in estimates)),
        (between, float(np.mean([estimate.between_degrees for estimate in estimates]))),
    )
    return _interval(mean, (between + within) / count**2, degrees, level, shift), None


def _joined_degrees(*parts: tuple[float, float]) -> float:
    total = sum(variance for variance, _ in parts)
    squares = sum(variance**2 / degrees for variance, degrees in parts)
    return max(1.0, total**2 / squares) if squares else 1.0


def _verdict(kind: FigureKind, change: Interval, p_value: float | None, level: float) -> str:
    low, high = change.low, change.high
    if low is None or high is None or abs(change.value) < LEAST:
        return NO_DIFFERENCE
    if low <= 0 <= high or (p_value is not None and p_value > 1 - level):
        return NO_DIFFERENCE
    return kind.better if (change.value > 0) == kind.higher_is_better else kind.worse


def _shown(kind: FigureKind, change: Interval) -> Interval:
    """A log as the relative change."""
    if kind.scale == "difference":
        return change
    value, low, high = (
        None if end is None else math.expm1(min(end, 700.0))
        for end in (change.value, change.low, change.high)
    )
    return Interval(value or 0.0, low, high, change.sd, change.n, change.method)
