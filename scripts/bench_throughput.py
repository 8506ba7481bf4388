"""Cells per second through the whole path with an engine that computes nothing.

    python scripts/bench_throughput.py [--sizes 1000]

Sweeps the tests' own backend over many prompt lengths, through a local Ray: plan, dispatch, actor,
engine's process, derived figures, rows on the disk. The rate is cells over the time from the first
cell's beginning to the last one's end; the store is then read, and every cell must be there once.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import grid_fake

import grid

SWEEP = """
name = "throughput"
backends = ["fake"]
quants = ["F16", "Q8", "Q4", "Q2"]
measures = ["speed"]
[[models]]
source = "toy.fake"
[speed]
prompt = {prompts}
generate = [4]
repetitions = 1
"""
FIRST = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, default=1000, help="prompt lengths; four cells each")
    sizes = parser.parse_args().sizes
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        grid_fake.write(folder / "toy.fake")
        prompts = list(range(FIRST, FIRST + sizes))
        (folder / "many.toml").write_text(SWEEP.format(prompts=prompts))
        done = subprocess.run(
            [sys.executable, "-m", "grid", "sweep", "many.toml", "--json", "--address", "local"],
            cwd=folder,
            env={**os.environ, "QUANTGRID_CACHE": str(folder / "cache")},
            capture_output=True,
            text=True,
            check=True,
        )
        summary = json.loads(done.stdout.splitlines()[-1])
        rows = grid.open(folder / "results").attempts()
    cells = rows["cell_id"].to_pylist()
    if len(cells) != len(set(cells)) or len(cells) != summary["measured"]:
        raise SystemExit(f"{len(cells)} rows of {summary['measured']} cells")
    print(
        f"{summary['measured']} cells in {summary['span_s']:.1f} s: "
        f"{summary['measured'] / summary['span_s']:.0f} cells/s, {summary['wall_s']:.1f} s "
        f"with start and end, driver {summary['driver_peak_bytes'] / 2**20:.0f} MiB"
    )


if __name__ == "__main__":
    main()
