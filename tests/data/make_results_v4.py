"""How `results-v4/` was made: `python tests/data/make_results_v4.py`, once, with schema version 4.

The files are frozen: they prove that every later version still reads the fourth one's rows.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent / "helpers"))

from results_cells import FACTS, ITEM, MODEL, NODE, cell, measurement_of  # noqa: E402

from grid.cells.measurement import Metric  # noqa: E402
from grid.models.weight_parts import Experts, LayerBytes, WeightParts  # noqa: E402
from grid.results.schema import SCHEMA_VERSION  # noqa: E402
from grid.results.store import Store  # noqa: E402

EXPERTS = Experts(count=8, used=2, shared=1, layers=1, leading_dense=1, parameters=800_000)
PARTS = WeightParts(
    layers=(LayerBytes(90_000), LayerBytes(60_000, 450_000)), output=150_000, lookup=150_000
)


def main() -> None:
    if SCHEMA_VERSION != 4:
        raise SystemExit("these files belong to schema version 4; they are not made anew")
    replace = msgspec.structs.replace
    planned = cell("Q4_K_M")
    model = replace(MODEL, active_parameters=700_000, experts=EXPERTS)
    mixture = replace(planned, artifact=replace(planned.artifact, model=model))
    value = Metric(name="decode_tps", value=12.5, unit="token/s", n=1)
    shared = replace(ITEM, group="algebra")
    with Store(FOLDER / "results-v4").writer() as writer:
        writer.add(
            mixture,
            replace(measurement_of(mixture), items=(shared,)),
            [value],
            node=NODE,
            sweep_id="s1",
            sweep="quick",
            attempt_id="attempt-mixture",
            facts=replace(FACTS, parts=PARTS),
        )


if __name__ == "__main__":
    main()
