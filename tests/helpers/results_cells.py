"""Cells and measurements for the tests of results: small, complete, and all different."""

from __future__ import annotations

from pathlib import Path

from grid.cells.cell import Cell
from grid.cells.measurement import ItemResult, Measurement, Metric, Series, Status
from grid.cells.workload import Decode, Workload
from grid.hardware.node import Node
from grid.models.artifact import Artifact, ArtifactFacts
from grid.models.model import Model
from grid.results.store import Store

NODE = Node(
    name="node-a",
    system="Linux 6",
    chip="Chip X",
    cores=4,
    memory_bytes=16 * 2**30,
    bandwidth_bytes_s=20e9,
    cpu_kind="cpu-avx2",
)
MODEL = Model(
    name="tiny",
    family="toy",
    source="ref:tiny",
    revision="abc",
    architecture="llama",
    parameters=1_500_000,
    context_length=512,
    vocabulary=1024,
)
FACTS = ArtifactFacts(bytes=900_000, sha256="00ff", bpw_file=4.8, bpw_layer=4.5, elements=1_500_000)


def cell(quant: str = "Q4_K_M", workload: Workload | None = None) -> Cell:
    artifact = Artifact(
        model=MODEL, format="gguf", quant=quant, backend="fake", quantizer="fake 1", facts=FACTS
    )
    return Cell(
        artifact=artifact,
        backend="fake",
        options={"threads": 2, "flash": True},
        workload=workload or Decode(tokens=128),
        scope=NODE.hardware_class,
    )


def measurement_of(
    planned: Cell, status: Status = "ok", at: float = 1_800_000_000.0, version: str = "1.0"
) -> Measurement:
    ok = status == "ok"
    return Measurement(
        cell_id=planned.id,
        status=status,
        reason="" if ok else f"it was {status}",
        started_at=at,
        wall_s=2.5,
        engine_s=2.25,
        engine_version=version,
        scalars={"peak_rss_bytes": 1e6} if ok else {},
        series=(Series("decode_tps", "token/s", (10.0, 11.0, 12.0)),) if ok else (),
        items=(ITEM,) if ok else (),
        environment={"python": "3.11"},
    )


ITEM = ItemResult(
    task_class="math",
    item="m1",
    score=1.0,
    chance=0.25,
    chosen=2,
    answer=2,
    log_likelihoods=(-3.0, -2.0, -1.0, -4.0),
)
METRIC = Metric(
    name="decode_tps",
    value=11.0,
    unit="token/s",
    low=8.5,
    high=13.5,
    sd=1.0,
    n=3,
    method="mean, Student t",
)


def write_attempts(
    store: str | Path,
    *attempts: tuple[Cell, Measurement],
    metrics: tuple[Metric, ...] = (METRIC,),
) -> list[str]:
    """Write attempts in one flush; returns their ids."""
    with Store(store).writer() as writer:
        return [
            writer.add(planned, what, metrics, node=NODE, sweep_id="s1", sweep="quick")
            for planned, what in attempts
        ]
