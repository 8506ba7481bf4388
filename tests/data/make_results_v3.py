"""How `results-v3/` was made: `python tests/data/make_results_v3.py`, once, with schema version 3.

The files are frozen: they prove that every later version still reads the third one's rows.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent / "helpers"))

from results_cells import NODE, cell, measurement_of  # noqa: E402

from grid.cells.measurement import ItemResult, Metric  # noqa: E402
from grid.results.schema import SCHEMA_VERSION  # noqa: E402
from grid.results.store import Store  # noqa: E402

WRITTEN = ItemResult(
    task_class="math",
    item="7",
    score=1.0,
    chance=0.0,
    chosen=-1,
    answer=0,
    log_likelihoods=(),
    task="gsm8k",
    response="The answer is 18.",
    tokens=6,
    finish="stop",
)


def main() -> None:
    if SCHEMA_VERSION != 3:
        raise SystemExit("these files belong to schema version 3; they are not made anew")
    value = Metric(name="accuracy", value=1.0, unit="1", n=1)
    written_cell = cell("Q4_K_M")
    measurement = msgspec.structs.replace(measurement_of(written_cell), items=(WRITTEN,))
    with Store(FOLDER / "results-v3").writer() as writer:
        writer.add(
            written_cell,
            measurement,
            [value],
            node=NODE,
            sweep_id="s1",
            sweep="quick",
            attempt_id="attempt-Q4_K_M",
        )


if __name__ == "__main__":
    main()
