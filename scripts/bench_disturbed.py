"""How surely slow-downs are caught: processes that compete for the cores beside speed cells.

    python scripts/bench_disturbed.py --model FILE.gguf [--model ...] [--trials 100] [--quiet 100]

A trial measures one rate of one model in a loaded engine. In half of the disturbed ones the
competitors compute for a part of the cell, in the others for all of it. Printed is the share of
disturbed trials whose row says so or in which repetitions were made again, asked to be at least
95 %, and the share of quiet ones whose row says so, asked to be at most 5 %. Then each disturbed
rate takes the place of its model's quiet one, and the model that fits a rate is chosen as advice
chooses it: the smallest loss of quality among those likely to reach the rate. The choice has to
stay. Needs a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from grid.analysis.disturbed_rates import undisturbed_rate_draws
from grid.analysis.limits import REQUIRED_PROBABILITY
from grid.analysis.variant import Speed
from grid.backend.registry import backend
from grid.cells.measurement import Measurement
from grid.cells.workload import Decode, Prefill
from grid.engine.measure.meter import Meter
from grid.engine.measure.run import Loading, measure
from grid.engine.messages import Measure, Raw
from grid.hardware.probe import probe_node
from grid.results.derive import metrics_of

LOADING = Loading(load_s=0.0, baseline_rss_bytes=0, page_cache_share=None)
COMPETE = "while True: pass"


class Trial(NamedTuple):
    """A measured rate, and whether its row says that it was disturbed or measured again."""

    speed: Speed
    flagged: bool
    replaced: bool

    @property
    def caught(self) -> bool:
        return self.flagged or self.replaced


def start_competitor() -> int:
    """The id of a process that computes. The shell that started it has ended: what this process
    starts itself counts as the engine's own."""
    command = ["sh", "-c", '"$0" -c "$1" >/dev/null 2>&1 & echo $!', sys.executable, COMPETE]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout)


@contextmanager
def competitors(count: int, delay_s: float, last_s: float | None) -> Iterator[None]:
    """So many processes that compute from `delay_s` on, for `last_s` or until the end."""
    over = threading.Event()

    def compete() -> None:
        if over.wait(delay_s):
            return
        started = [start_competitor() for _ in range(count)]
        over.wait(last_s)
        for process in started:
            os.kill(process, signal.SIGKILL)

    thread = threading.Thread(target=compete)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class Bench:
    """Models that are loaded, and their rates."""

    def __init__(self, models: Sequence[Path], threads: int, time_s: float) -> None:
        self._time_s = time_s
        llama = backend("llamacpp")
        options = llama.options({"threads": threads} if threads else {}, probe_node())
        self._contexts = [llama.load(model, "cpu", options) for model in models]
        self.engines = [context.__enter__() for context in self._contexts]

    def trial(self, model: int, kind: str) -> Trial:
        shape = Prefill(96) if kind == "prefill" else Decode(24)
        workload = msgspec.structs.replace(shape, precision=0.03, budget_s=self._time_s)
        raw = measure(self.engines[model], LOADING, Measure(workload=workload), Meter())
        return Trial(
            _speed(kind, workload, raw),
            flagged="disturbed" in raw.environment,
            replaced="replaced" in raw.environment,
        )


def _speed(kind: str, workload: Prefill | Decode, raw: Raw) -> Speed:
    run = Measurement(cell_id="", status="ok", scalars=raw.scalars, series=raw.series)
    metrics = {metric.name: metric for metric in metrics_of(kind, workload, run)}
    seconds = next(np.array(s.values) for s in raw.series if s.name == f"{kind}_s")
    between = metrics["between_run_sd"]
    return Speed(
        interval=metrics[f"{kind}_tps"],  # type: ignore[arg-type]
        rates=workload.tokens / seconds,
        tokens=workload.tokens,
        depth=0,
        between_sd=between.value or 0.0,
        between_degrees=float(between.n),
        lost=metrics["lost_share"].value or 0.0,
    )


class Measured(NamedTuple):
    """What the rate's posterior reads of a variant."""

    artifact_bytes: int
    rates: dict[str, dict[int, Speed]]
    model: str = "m"
    backend: str = "llamacpp"
    options: str = ""
    hardware_class: str = ""

    def speeds(self, kind: str) -> dict[int, Speed]:
        return self.rates[kind]


def choice(sizes: Sequence[int], kind: str, speeds: Sequence[Speed], needed: float) -> int | None:
    """The largest model that reaches a rate with the probability that advice requires."""
    variants: Sequence[Any] = [
        Measured(size, {kind: {0: speed}}) for size, speed in zip(sizes, speeds, strict=True)
    ]
    reach = []
    for i in range(len(variants)):
        logs = undisturbed_rate_draws(variants, i, kind, 2000, np.random.default_rng(i))
        if logs is not None and (np.exp(logs) >= needed).mean() >= REQUIRED_PROBABILITY:
            reach.append(i)
    return max(reach, default=None)


def changed_choices(
    sizes: Sequence[int],
    quiet: dict[str, list[list[Speed]]],
    trials: Sequence[tuple[int, str, Trial]],
) -> tuple[int, int]:
    """How many of the disturbed rates change the choice, at a rate that every model exceeds by a
    third and at a tenth of that; and how many were tried."""
    changed = tried = 0
    for model, kind, trial in trials:
        calm = [of_model[0] for of_model in quiet[kind]]
        rates = sorted(float(np.median(speed.rates)) for speed in calm)
        for needed in (rates[0] * 0.75, rates[0] * 0.075):
            with_trial = [trial.speed if i == model else speed for i, speed in enumerate(calm)]
            tried += 1
            changed += choice(sizes, kind, with_trial, needed) != choice(sizes, kind, calm, needed)
    return changed, tried


def quiet_trials(bench: Bench, count: int, until: float) -> list[tuple[int, str, Trial]]:
    """Trials beside which nothing computes, of every model and kind in turn, two of each at
    least."""
    models = len(bench.engines)
    trials = []
    for i in range(count):
        if i >= 4 * models and time.monotonic() > until:
            break
        kind, model = ("prefill", "decode")[i % 2], (i // 2) % models
        trials.append((model, kind, bench.trial(model, kind)))
    return trials


def disturbed_trials(bench: Bench, count: int, until: float) -> list[tuple[int, str, Trial]]:
    """Trials beside which one to three competitors compute: every other time throughout."""
    trials = []
    for i in range(count):
        if time.monotonic() > until:
            break
        kind, model = random.choice(("prefill", "decode")), random.randrange(len(bench.engines))
        whole = i % 2 == 0
        delay_s = 0.0 if whole else random.uniform(0.1, 0.3)
        with competitors(random.choice((1, 2, 3)), delay_s, None if whole else 0.5):
            trials.append((model, kind, bench.trial(model, kind)))
    return trials


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", action="append", required=True, type=Path)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--quiet", type=int, default=100)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--time", type=float, default=2.0, help="seconds for a cell")
    parser.add_argument("--minutes", type=float, default=9.0, help="after which no trial begins")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random.seed(options.seed)
    start, seconds = time.monotonic(), 60 * options.minutes
    models = sorted(options.model, key=lambda path: path.stat().st_size)
    bench = Bench(models, options.threads, options.time)
    calm = quiet_trials(bench, max(options.quiet, 4 * len(models)), start + 0.35 * seconds)
    flagged = sum(trial.flagged for _, _, trial in calm)
    print(f"quiet: {flagged} of {len(calm)} are said to be disturbed ({flagged / len(calm):.0%},"
          " asked 5 % at most); repetitions were made again in"
          f" {sum(trial.replaced for _, _, trial in calm)}")  # fmt: skip
    trials = disturbed_trials(bench, options.trials, start + 0.9 * seconds)
    caught = sum(trial.caught for _, _, trial in trials) / max(1, len(trials))
    print(f"disturbed: {caught:.0%} of {len(trials)} are caught, asked 95 %;"
          f" {sum(trial.flagged for _, _, trial in trials)} say so,"
          f" {sum(trial.replaced for _, _, trial in trials)} made repetitions again")  # fmt: skip
    quiet = {
        kind: [
            [t.speed for m, k, t in calm if (m, k) == (model, kind)] for model in range(len(models))
        ]
        for kind in ("prefill", "decode")
    }
    sizes = [model.stat().st_size for model in models]
    changed, tried = changed_choices(sizes, quiet, trials)
    print(f"choices: {changed} of {tried} changed, asked 0")
    whole = len(trials) >= options.trials and len(calm) >= options.quiet
    if not whole:
        print(f"the time of {options.minutes:g} min was over: fewer trials than asked")
    good = whole and caught >= 0.95 and flagged <= 0.05 * len(calm) and not changed
    print("verdict: as asked" if good else "verdict: NOT as asked")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
