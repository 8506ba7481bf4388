"""How well a rate's interval tells where another run's mean lies: one sweep, run several times.

    python scripts/bench_noise.py --model FILE.gguf [--model ...] [--runs 6] [--load 2]

Each run has a store of its own, so that none knows the others. `--load N` starts N processes that
compute and rest in turns of seconds, so that the machine is busy now and then; without it the
machine is as it is. Of all ordered pairs of runs of a cell, the share is printed in which the
second one's mean rate lies in the first one's 95 % interval, asked to be 92 to 98 %; and high / low
of the intervals, asked to be at most 1.5 where nothing disturbed the repetitions.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import permutations
from pathlib import Path
from typing import NamedTuple

import numpy as np

from grid.analysis.dataset.columns import environment_of
from grid.results.reader import Results

WIDEST = 1.5
LOW, HIGH = 0.92, 0.98

SWEEP = """
measures = ["speed"]
[[models]]
files = {files}
[speed]
prompt = [{prompt}]
generate = [{generate}]
time = {time}
"""

BUSY = """
import random, sys, time
random.seed(int(sys.argv[1]))
while True:
    end = time.monotonic() + random.expovariate(1 / 4)
    while time.monotonic() < end:
        pass
    time.sleep(random.expovariate(1 / 8))
"""
"""Computes for 4 s and rests for 8 s, on average."""


LOAD_S = 8.0
"""Seconds to start a sweep and load a model, at most."""

MOST_S = 20.0
"""Seconds that a sweep gives to a cell where there is time."""


class Rate(NamedTuple):
    """A cell's rate in one run, in token/s."""

    mean: float
    low: float
    high: float
    disturbed: bool


def cell_seconds(minutes: float, loads: int) -> float:
    """Seconds for each of the two cells of a load, so that all take so many minutes: a cell may be
    measured again for half of its time."""
    left_s = 60 * minutes - LOAD_S * loads
    return max(2.0, min(MOST_S, left_s / loads / 2 / 1.5))


@contextmanager
def busy_machine(processes: int) -> Iterator[None]:
    """So many processes that compute now and then."""
    seeds = [random.randrange(2**31) for _ in range(processes)]
    started = [subprocess.Popen([sys.executable, "-c", BUSY, str(seed)]) for seed in seeds]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def sweep_once(sweep: Path, store: Path) -> dict[tuple[str, str], Rate]:
    """The rates of a run by quant and label."""
    command = [sys.executable, "-m", "grid", "sweep", str(sweep), "--store", str(store)]
    command += ["--executor", "inline"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    results = Results(str(store))
    final = results.final()
    ids = final["attempt_id"].combine_chunks()
    attempts = results.read("attempts", ["quant", "label", "measure", "environment"], ids)
    disturbed = environment_of(attempts, "disturbed").to_pylist()
    figures = {
        (row["attempt_id"], row["name"]): row
        for row in results.read("metrics", ["name", "value", "low", "high"], ids).to_pylist()
    }
    rates = {}
    for row, reason in zip(attempts.to_pylist(), disturbed, strict=True):
        figure = figures[row["attempt_id"], f"{row['measure']}_tps"]
        rate = Rate(figure["value"], figure["low"], figure["high"], bool(reason))
        rates[row["quant"], row["label"]] = rate
    return rates


def report(runs: Sequence[dict[tuple[str, str], Rate]]) -> bool:
    """Print the figures of each kind of rate; whether all are as asked."""
    by_label: defaultdict[str, list[list[Rate]]] = defaultdict(list)
    for key in sorted(runs[0]):
        by_label[key[1]].append([run[key] for run in runs])
    good = True
    for label, cells in by_label.items():
        pairs = [pair for cell in cells for pair in permutations(cell, 2)]
        share = float(np.mean([a.low <= b.mean <= a.high for a, b in pairs]))
        spread = np.median(
            [max(r.mean for r in cell) / min(r.mean for r in cell) for cell in cells]
        )
        print(
            f"{label}: in the interval {share:.1%} of {len(pairs)} pairs, asked 92 to 98 %;"
            f" largest mean over smallest {spread:.2f} in the median"
        )
        for disturbed in (False, True):
            widths = [r.high / r.low for cell in cells for r in cell if r.disturbed == disturbed]
            if not widths:
                continue
            name = "disturbed" if disturbed else "undisturbed"
            print(
                f"  high / low of {len(widths)} {name}: median {np.median(widths):.2f},"
                f" largest {max(widths):.2f}"
            )
            good &= disturbed or max(widths) <= WIDEST
        good &= LOW <= share <= HIGH
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", action="append", required=True, type=Path)
    parser.add_argument("--runs", type=int, default=6)
    parser.add_argument("--load", type=int, default=0)
    parser.add_argument("--prompt", type=int, default=128)
    parser.add_argument("--generate", type=int, default=32)
    parser.add_argument("--time", type=float, help="seconds for a cell, else such that all fit")
    parser.add_argument("--minutes", type=float, default=9.0, help="that it takes in all")
    parser.add_argument("--keep", type=Path, help="folder for the stores")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, busy_machine(options.load):
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        sweep = folder / "noise.toml"
        files = [str(model.resolve()) for model in options.model]
        time_s = options.time or cell_seconds(options.minutes, options.runs * len(files))
        sweep.write_text(
            SWEEP.format(files=files, prompt=options.prompt, generate=options.generate, time=time_s)
        )
        runs = []
        for i in range(options.runs):
            runs.append(sweep_once(sweep, folder / f"run-{i}"))
            print(f"run {i + 1} of {options.runs}", file=sys.stderr)
    good = report(runs)
    print("verdict: as asked" if good else "verdict: NOT as asked")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
