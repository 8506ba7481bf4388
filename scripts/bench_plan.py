"""Time planning 100,000 cells and subtracting as many finished ids.

    python scripts/bench_plan.py

The store is real: 100,000 attempts written and read back. Prints seconds for each step.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from grid.cells.measurement import Measurement
from grid.hardware.probe import probe_node
from grid.plan.load import parse_sweep
from grid.results import open_for_writing, open_store
from grid.sweep.node_report import report
from grid.sweep.planner import StoreSnapshot, plan_for_node

CELLS = 100_000

SWEEP = """
measures = ["speed"]
quants = "all"
[[models]]
source = "ref:*"
[speed]
prompt = {prompts}
generate = []
depth = {depths}
"""


def main() -> None:
    """26 recipes of each size, as many prompt lengths and depths as give the cells."""
    with tempfile.TemporaryDirectory() as folder:
        store = str(Path(folder) / "rows")
        text = SWEEP.format(prompts=list(range(1, 45)), depths=list(range(44)))
        sweep = parse_sweep(text.encode(), "bench.toml", Path(folder))
        node = probe_node()
        start = time.perf_counter()
        plan = plan_for_node(
            sweep, report(sweep.backends, node=node), StoreSnapshot(store, fresh=True)
        )
        planned = time.perf_counter() - start
        print(f"{len(plan.cells)} cells planned in {planned:.2f} s")
        if len(plan.cells) < CELLS:
            sys.exit(f"the sweep comes to fewer than {CELLS} cells")
        with open_for_writing(store).writer() as writer:
            for cell in plan.cells:
                done = Measurement(cell_id=cell.id, status="ok", started_at=1.0)
                writer.add(cell, done, node=node, sweep_id="bench", sweep="bench")
        start = time.perf_counter()
        left = plan.without_finished(open_store(store).finished_ids())
        print(
            f"{len(left.measured)} finished ids subtracted in {time.perf_counter() - start:.2f} s, "
            f"{len(left.cells)} cells left; together {planned + time.perf_counter() - start:.2f} s"
        )


if __name__ == "__main__":
    main()
