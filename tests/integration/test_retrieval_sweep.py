"""A sweep of the bundled retrieval set, from the sweep file to results."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import results_cells
from fake_sweep import Run

from grid.cells.texts import RETRIEVAL, RETRIEVAL_TASK
from grid.cells.workload import Tasks
from grid.plan.fits import encoder_obstacle
from grid.plan.item_facts import ItemFacts

SWEEP = """
measures = ["tasks"]
backends = ["fake"]
quants = ["F16", "Q4"]
tasks = ["retrieval"]

[[models]]
source = "toy.fake"
"""


def test_a_sweep_measures_retrieval_query_by_query(grid: Run, toy: Path) -> None:
    """The fake engine's vectors count bytes and do not depend on the quant."""
    (toy / "embed.toml").write_text(SWEEP)
    done = grid("sweep", "embed.toml")
    assert done.returncode == 0, done.stderr
    scores = re.findall(r"nDCG@10 (\d\.\d+)", grid("results").stdout)
    assert len(scores) == 2
    assert len({*scores}) == 1
    assert 0.2 < float(scores[0]) < 0.9


def test_an_encoder_is_asked_nothing_but_retrieval() -> None:
    cell = results_cells.cell()
    model = msgspec.structs.replace(cell.artifact.model, architecture="bert")
    artifact = msgspec.structs.replace(cell.artifact, model=model)
    ranks = ItemFacts(read=1, written=0, scores=False, writes=False, ranks=True)
    retrieval = Tasks("embedding", RETRIEVAL, "sha", 60, RETRIEVAL_TASK)
    bert = msgspec.structs.replace(cell, artifact=artifact)
    assert encoder_obstacle(cell, {}) == ""
    assert "bert writes no text" in encoder_obstacle(bert, {})
    assert encoder_obstacle(msgspec.structs.replace(bert, workload=retrieval), {"sha": ranks}) == ""
