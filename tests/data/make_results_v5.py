"""How `results-v5/` was made: `python tests/data/make_results_v5.py`, once, with schema version 5.

The files are frozen: they prove that every later version still reads the fifth one's rows.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent / "helpers"))

from results_cells import FACTS, ITEM, NODE, cell, measurement_of  # noqa: E402

from grid.cells.measurement import Metric  # noqa: E402
from grid.results.schema import SCHEMA_VERSION  # noqa: E402
from grid.results.store import Store  # noqa: E402


def main() -> None:
    if SCHEMA_VERSION != 5:
        raise SystemExit("these files belong to schema version 5; they are not made anew")
    planned = cell("Q4_K_M")
    counted = msgspec.structs.replace(ITEM, prompt_tokens=23)
    with Store(FOLDER / "results-v5").writer() as writer:
        writer.add(
            planned,
            msgspec.structs.replace(measurement_of(planned), items=(counted,)),
            [Metric(name="decode_tps", value=12.5, unit="token/s", n=1)],
            node=NODE,
            sweep_id="s1",
            sweep="quick",
            attempt_id="attempt-counted",
            facts=FACTS,
        )


if __name__ == "__main__":
    main()
