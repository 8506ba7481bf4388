"""How often `grid diff` is wrong, and what it detects: simulated pairs of sweeps of known truth.

    python scripts/eval_diff.py [--pairs 1000]

Same against same must say "no difference told" of all cells and of the summary in 95 % of pairs, by
family. B that is 10 % slower shows the power. Rates vary by 2 % within a run and by 1.5 % between
runs of an engine process (`statistics.runs.QUIET_SD`); a day of the machine shifts all cells alike,
which its kernels see with 0.5 % of noise. Chunks differ by 3 % of a nat between two variants, items
turn in 10 % of cases either way. Loads are Poisson arrivals at one server that takes 0.1 s for each
request and is busy 70 % of the time; its speed differs between runs by 1.5 %.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from grid.analysis.diff.difference import KINDS, NO_DIFFERENCE, FigureFamily, judge
from grid.analysis.diff.estimates import item_change, rate_change, text_change
from grid.analysis.diff.load_estimates import load_change
from grid.analysis.diff.pairing import CellPair
from grid.analysis.diff.thresholds import state_of
from grid.analysis.tables import Attempt, ItemRows
from grid.results.statistics import (
    Interval,
    between_runs,
    queue_quantile,
    queue_share,
    rate_interval,
    wilson_interval,
)

TOKENS = 100
KERNEL_NOISE = 0.005
WITHIN, BETWEEN = 0.02, 0.015
KIND = {kind.name: kind for kind in KINDS}
Random = np.random.Generator


class World(NamedTuple):
    """Sizes of a family: engine processes, cells of each, repetitions (or items, or chunks)."""

    sessions: int
    cells: int
    samples: int


def row(session: int, cell: int) -> dict[str, Any]:
    """The fields that a comparison reads of an attempt."""
    names = ("backend", "device_kind", "engine_version", "model", "hardware_class", "sweep_id")
    fields = dict.fromkeys(names, "x")
    return {
        **fields, "attempt_id": f"{session}-{cell}", "artifact_id": str(session), "options": "{}",
        "quant": f"q{session}", "label": f"cell {cell}", "environment": (),
    }  # fmt: skip


def speed_attempt(
    random: Random, at: tuple[int, int], world: World, mean: float, day: float
) -> Attempt:
    """A decode run of log rate `mean`, in a machine that is slower by `day`."""
    rates = 50 * np.exp(mean - day + random.normal(0, WITHIN, world.samples))
    kernels = {
        name: np.exp(day + random.normal(0, KERNEL_NOISE, 2))
        for name in ("machine_compute_s", "machine_memory_s")
    }
    between = between_runs(kernels=list(kernels.values()))
    spread = Interval(between.variance**0.5, n=round(between.degrees))
    metrics = {"decode_tps": rate_interval(rates, between), "between_run_sd": spread}
    series = {"decode_s": TOKENS / rates, **kernels}
    return Attempt({**row(*at), "measure": "decode"}, {"tokens": TOKENS}, metrics, series)


def speed_family(random: Random, world: World, change: float, day_sd: float) -> FigureFamily:
    """Decode rates of two sweeps; B's are off by `change`, a log."""
    days = random.normal(0, day_sd, 2)
    estimates = []
    for session in range(world.sessions):
        runs = random.normal((0, change), BETWEEN)
        for cell in range(world.cells):
            sides = [
                speed_attempt(random, (session, cell), world, runs[side], days[side])
                for side in (0, 1)
            ]
            estimates.append(rate_change(CellPair(*sides), "decode_tps", "decode_s"))
    return judge(KIND["decode_tps"], [estimate for estimate in estimates if estimate])


def text_family(random: Random, world: World, change: float, _: float) -> FigureFamily:
    """Perplexities of variants that share chunks; `change` is in nats."""
    shared = random.normal(0, 0.02, world.samples)
    estimates = []
    for session in range(world.sessions):
        base = 3 + random.normal(0, 0.3, world.samples)
        own = random.normal(0, 0.03, world.samples)
        losses = (base, base + shared + own + change)
        sides = [
            Attempt(
                {**row(session, 0), "measure": "quality"},
                {"text_sha256": "t"},
                {},
                {},
                {"nll": loss},
            )
            for loss in losses
        ]
        estimates.append(text_change(CellPair(*sides), "nll"))
    return judge(KIND["perplexity"], [estimate for estimate in estimates if estimate])


def task_family(random: Random, world: World, change: float, _: float) -> FigureFamily:
    """Scores of variants in tasks; variants share items, which turn in 10 % of cases."""
    estimates = []
    for task in range(world.cells):
        ids = tuple(f"{task}/{item}" for item in range(world.samples))
        difficulty = random.random(world.samples)
        for session in range(world.sessions):
            first = (random.random(world.samples) < difficulty).astype(float)
            turned = random.random(world.samples) < 0.1
            drawn = (random.random(world.samples) < difficulty).astype(float)
            second = np.where(turned, drawn, first)
            second[random.random(world.samples) < -change] = 0.0
            sides = [Attempt({**row(session, task), "measure": "tasks"}, {}, {}, {}) for _ in "AB"]
            items = tuple(ItemRows(ids, scores, np.zeros(len(ids))) for scores in (first, second))
            estimates.append(item_change(CellPair(*sides), items))
    return judge(KIND["accuracy"], [estimate for estimate in estimates if estimate])


SERVICE_S, BUSY = 0.1, 0.7
LIMIT_S = 0.5


def load_attempt(random: Random, at: tuple[int, int], requests: int, mean: float) -> Attempt:
    """A load of a server of log speed `mean`: waits by Lindley's recursion."""
    rate, service = BUSY / SERVICE_S, SERVICE_S * np.exp(-mean)
    steps = service - random.exponential(1 / rate, requests)
    sums = np.concatenate([[0.0], np.cumsum(steps[1:])])
    times = sums - np.minimum.accumulate(sums) + service
    share = queue_share(times <= LIMIT_S)
    best = np.log(rate) + mean
    low, high = best - 0.7 * random.random(), best + 0.7 * random.random()
    while high - low > 0.1:
        middle = (low + high) / 2
        low, high = (middle, high) if middle <= best else (low, middle)
    metrics = {
        "ttft_s": queue_quantile(times, 0.5),
        "ttft_p99_s": queue_quantile(times, 0.99),
        "slo_share": share,
        "goodput": Interval(share.value * rate),
        "slo_request_rate": Interval(np.exp((low + high) / 2), np.exp(low), np.exp(high)),
    }
    fields = {**row(*at), "measure": "load"}
    return Attempt(fields, {"rate": rate}, metrics, {"ttft_s": times})


def load_family(metric: str, random: Random, world: World, change: float, _: float) -> FigureFamily:
    """A figure of loads of two builds of servers; B's speeds are off by `change`, a log."""
    estimates = []
    for session in range(world.sessions):
        runs = random.normal((0, change), BETWEEN)
        for cell in range(world.cells):
            at = (session, cell)
            sides = [load_attempt(random, at, world.samples, runs[side]) for side in (0, 1)]
            estimates.append(load_change(CellPair(*sides), metric))
    return judge(KIND[f"load_{metric}"], [estimate for estimate in estimates if estimate])


Draw = Callable[[Random, World, float, float], FigureFamily]
FAMILIES: Sequence[tuple[str, Draw, World, float, float]] = (
    ("decode, 1 cell", speed_family, World(1, 1, 5), 0.0, np.log(0.9)),
    ("decode, 4 engines x 3 cells", speed_family, World(4, 3, 5), 0.0, np.log(0.9)),
    ("decode, 13 engines x 2 cells", speed_family, World(13, 2, 5), 0.0, np.log(0.9)),
    ("the same, days differ by 1.5 %", speed_family, World(13, 2, 5), 0.015, np.log(0.9)),
    ("the same, 3 repetitions", speed_family, World(13, 2, 3), 0.0, np.log(0.9)),
    *(
        (
            f"load {metric}, {sessions} x {cells}, {requests} requests",
            partial(load_family, metric),
            World(sessions, cells, requests),
            0.0,
            np.log(0.9),
        )
        for metric, requests in (
            ("ttft_s", 600),
            ("ttft_p99_s", 6000),
            ("goodput", 600),
            ("slo_request_rate", 600),
        )
        for sessions, cells in ((1, 1), (4, 3))
    ),
    ("perplexity, 13 variants, 8 chunks", text_family, World(13, 1, 8), 0.0, 0.1),
    ("perplexity, 13 variants, 16 chunks", text_family, World(13, 1, 16), 0.0, 0.1),
    ("task score, 13 variants x 5 tasks x 100", task_family, World(13, 5, 100), 0.0, -0.1),
    ("task score, 1 variant x 1 task x 60", task_family, World(1, 1, 60), 0.0, -0.1),
)


def verdicts(family: FigureFamily) -> tuple[bool, bool, float]:
    """Whether anything is told, whether the summary is, and the share of cells that are."""
    cells = [figure.verdict != NO_DIFFERENCE for figure in family.figures]
    summary = family.verdict != NO_DIFFERENCE
    return summary or any(cells), summary, float(np.mean(cells))


def failed(family: FigureFamily) -> bool:
    """Whether `--fail-on` 5 % fails: the summary or a cell lies wholly beyond it."""
    changes = [family.summary, *(figure.change for figure in family.figures)]
    return any(state_of(family.kind, change, 0.05) == "beyond" for change in changes)


def main() -> None:
    """Print a line for each family."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--family", default="", help="only families that begin so")
    arguments = parser.parse_args()
    pairs = arguments.pairs
    print(f"{pairs} pairs each; a 95 % interval of the first column in brackets")
    print(
        f"{'family':42}{'same: silent':>22}{'10 % off: summary':>19}{'cells':>8}{'fail-on 5 %':>13}"
    )
    families = [family for family in FAMILIES if family[0].startswith(arguments.family)]
    for name, draw, world, day_sd, change in families:
        random = np.random.default_rng(7)
        same = [verdicts(draw(random, world, 0.0, day_sd)) for _ in range(pairs)]
        silent = wilson_interval(sum(not any_said for any_said, _, _ in same), pairs)
        off = [draw(random, world, change, day_sd) for _ in range(pairs)]
        judged = [verdicts(family) for family in off]
        print(
            f"{name:42}{silent.value:>9.1%} [{silent.low:.1%}, {silent.high:.1%}]"
            f"{np.mean([summary for _, summary, _ in judged]):>15.1%}"
            f"{np.mean([cells for _, _, cells in judged]):>11.1%}"
            f"{np.mean([failed(family) for family in off]):>13.1%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
