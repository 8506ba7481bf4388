"""How `results-v1/` was made: `python tests/data/make_results_v1.py`, once, with schema version 1.

The files are frozen: they prove that every later version still reads the first one's rows.
"""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent / "helpers"))

from results_cells import NODE, cell, measurement_of  # noqa: E402

from grid.cells.measurement import Metric  # noqa: E402
from grid.results.schema import SCHEMA_VERSION  # noqa: E402
from grid.results.store import Store  # noqa: E402


def main() -> None:
    if SCHEMA_VERSION != 1:
        raise SystemExit("these files belong to schema version 1; they are not made anew")
    value = Metric(name="decode_tps", value=11.0, unit="token/s", low=8.5, high=13.5, n=3)
    with Store(FOLDER / "results-v1").writer() as writer:
        for quant, status in (("Q4_K_M", "ok"), ("Q8_0", "oom")):
            written_cell = cell(quant)
            writer.add(
                written_cell,
                measurement_of(written_cell, status),
                [value] if status == "ok" else [],
                node=NODE,
                sweep_id="s1",
                sweep="quick",
                attempt_id=f"attempt-{quant}",
            )


if __name__ == "__main__":
    main()
