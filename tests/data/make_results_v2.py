"""How `results-v2/` was made: `python tests/data/make_results_v2.py`, once, with schema version 2.

The files are frozen: they prove that every later version still reads the second one's rows.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent / "helpers"))

from results_cells import MODEL, NODE, cell, measurement_of  # noqa: E402

from grid.cells.measurement import Metric  # noqa: E402
from grid.models.model import LayerState  # noqa: E402
from grid.results.imports.metric import figure  # noqa: E402
from grid.results.imports.record import (  # noqa: E402
    FigureOrigin,
    ImportedWeights,
    Record,
)
from grid.results.imports.rows import import_report  # noqa: E402
from grid.results.imports.writing import add_report  # noqa: E402
from grid.results.schema import SCHEMA_VERSION  # noqa: E402
from grid.results.store import Store  # noqa: E402

FOREIGN = Record(
    origin=FigureOrigin("a table", "MIT (somebody)"),
    weights=ImportedWeights(model="Llama-2-7B", quant="Q4_0", format="gguf", bytes=3_825_065_984),
    measure="decode",
    label="tg128",
    workload={"tokens": 128, "depth": 0, "repetitions": None},
    backend="llama.cpp",
    hardware="Chip Y",
    device_kind="metal",
    figures=(figure("decode_tps", 61.5, "a table", sd=0.5),),
    environment={"note": "as posted"},
)


def main() -> None:
    if SCHEMA_VERSION != 2:
        raise SystemExit("these files belong to schema version 2; they are not made anew")
    value = Metric(name="decode_tps", value=11.0, unit="token/s", low=8.5, high=13.5, n=3)
    layers = (LayerState(64, 64), LayerState(64, 64, window=128), LayerState(0, 0, fixed=512))
    written_cell = cell("Q4_K_M")
    model = msgspec.structs.replace(MODEL, layers=layers)
    written_cell = msgspec.structs.replace(
        written_cell, artifact=msgspec.structs.replace(written_cell.artifact, model=model)
    )
    with Store(FOLDER / "results-v2").writer() as writer:
        writer.add(
            written_cell,
            measurement_of(written_cell),
            [value],
            node=NODE,
            sweep_id="s1",
            sweep="quick",
            attempt_id="attempt-Q4_K_M",
        )
    report = import_report([FOREIGN], (), "table.md", "table")
    add_report(report, FOLDER / "results-v2")


if __name__ == "__main__":
    main()
