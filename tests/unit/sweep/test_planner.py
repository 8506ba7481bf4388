"""What a store spares a sweep."""

from __future__ import annotations

from pathlib import Path

import msgspec
from plan_helpers import NODE, sweep_file
from results_cells import measurement_of, write_attempts

from grid.plan import load_sweep
from grid.plan.plan import Plan
from grid.sweep.node_report import BackendState, Report
from grid.sweep.planner import StoreSnapshot, plan_for_node
from grid.units import GIB

SWEEP = """
measures = ["quality"]
quants = ["F16"]
[[models]]
source = "x.fake"
[quality]
text = "t.txt"
context = 64
chunks = 4
"""
REPORT = Report(node=NODE, free_bytes=4 * GIB, backends={"fake": BackendState()})


def plan_with_store(folder: Path, text: str) -> Plan:
    sweep = load_sweep(sweep_file(folder, text))
    return plan_for_node(sweep, REPORT, StoreSnapshot(str(folder / "rows")))


def test_a_noise_run_that_ended_early_is_measured_where_its_cell_is_asked_for(
    tmp_path: Path,
) -> None:
    """The fake engine's noise run has batch = 1, which a later sweep names among its options."""
    plan = plan_with_store(tmp_path, SWEEP)
    (noise,) = (cell for cell in plan.cells if cell.id in plan.noise)
    facts = {"scored_chunks": "1 of 4: it is the reference's, bit for bit"}
    early = msgspec.structs.replace(measurement_of(noise), environment=facts)
    write_attempts(tmp_path / "rows", (noise, early))

    repeated = plan_with_store(tmp_path, SWEEP)
    assert [cell.id for cell in repeated.measured] == [noise.id]

    named = SWEEP + f"[options.fake]\nbatch = [{plan.cells[0].options['batch']}, 1]\n"
    later = plan_with_store(tmp_path, named)
    assert noise.id not in later.noise
    assert noise.id in {cell.id for cell in later.cells}

    write_attempts(tmp_path / "rows", (noise, measurement_of(noise, at=2e9)))
    assert noise.id in {cell.id for cell in plan_with_store(tmp_path, named).measured}
    assert noise.id in {cell.id for cell in plan_with_store(tmp_path, SWEEP).measured}
